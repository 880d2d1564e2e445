"""What a MEDS code says: its kind, its name and its unit, from its own parts, the data set's metadata and dictionaries.

A code is text whose parts stand between double slashes (``LAB//RESULT//51115//%``). ``metadata/codes.parquet`` may describe it
(``description``) and, where MEDS-Extract made it, say which column each part is from (``code_template``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.parquet import UNREADABLE, readable_parquet

UNKNOWN = "UNK"
"""What extractions write for a part that the source leaves empty."""
_STANDARD = {"MEDS_BIRTH": "BIRTH", "MEDS_DEATH": "DEATH"}
_KIND = re.compile(r"[A-Z][A-Z_ ]*")
_VOCABULARY = re.compile(r"([A-Za-z][\w.-]*)/(\S.*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\s*\$?(\w+).*\}", re.DOTALL)
_UNIT_COLUMN = re.compile(r"uom|unit", re.IGNORECASE)
_ATOMS = (
    "%|[mkcdnpuµμf]?(?:g|mol|l|m|eq|osm|u|iu)|mcg|mi?u|ui?u|[ck]?cal|kcals?|ehrlich|units?|gtt?s?|drops?|doses?|tabs?|caps?|"
    "sec|secs|s|ms|mins?|minutes?|hrs?|hours?|h|days?|d|weeks?|wk|months?|mo|years?|yr|mm ?hg|cm ?h2o|kpa|torr|°?[cf]|bpm|"
    "insp|breaths?|beats?|cells?|copies|index|ratio|score|inch(?:es)?|in|ft|lbs?|oz|hpf|lpf|titer|k|1000|e\\d|10\\^?\\d+|#"
)
_UNIT = re.compile(rf"(?:{_ATOMS})(?:\d|\^\d)?(?:[ /*.x^]+(?:{_ATOMS}|\d+)(?:\d|\^\d)?)*", re.IGNORECASE)


class Meaning(NamedTuple):
    """What is shown of a code."""

    kind: str
    """What sort of event it is (``LAB RESULT``); its vocabulary, for a code that has one alone."""
    name: str
    """What it is about, with the code's own parts beside a description. Empty: the kind says all."""
    unit: str
    """Of its numbers; empty where the code names none."""
    described: bool
    """Whether the metadata or a dictionary gave the name."""

    @property
    def head(self) -> str:
        """Kind and name as an event's line shows them."""
        return f"{self.kind}: {self.name}" if self.name else self.kind


@dataclass(frozen=True)
class Codebook:
    """Descriptions and templates by code."""

    descriptions: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    """Where these are from: they decide what a model is shown."""
    warnings: Sequence[str] = ()

    def meanings(self, codes: Mapping[str, bool]) -> dict[str, Meaning]:
        """What each code says.

        Args:
            codes: every code, and whether it comes with numbers, as those do that name a unit.
        """
        measured = {code.rpartition("//")[0] for code, numbers in codes.items() if numbers and _is_unit(code.rpartition("//")[2])}
        return {code: self._meaning(code, measured) for code in codes}

    def _meaning(self, code: str, measured: Collection[str]) -> Meaning:
        parts = code.split("//")
        if len(parts) == 1 and (found := _VOCABULARY.fullmatch(code)):
            parts = [found[1], found[2]]
        n_kind, unit_at = _by_template(parts, self.templates.get(code, "")) or _by_look(parts, code, measured)
        unit = parts[unit_at] if unit_at is not None else self.units.get(code, "")
        rest = [one_line(part) for at, part in enumerate(parts) if at >= n_kind and at != unit_at and part.strip()]
        kind = one_line(" ".join(_STANDARD.get(part, part.replace("_", " ")) for part in parts[:n_kind]))
        description = self.descriptions.get(code, "")
        name = f"{description} [{'//'.join(rest)}]" if description and rest else description or _own_name(rest)
        return Meaning(kind, name, "unit unknown" if unit == UNKNOWN else one_line(unit), bool(description))


def _own_name(parts: Sequence[str]) -> str:
    """A name of a code's own parts: its words, and numbers and unknown parts in brackets, as no dose is meant by them."""
    words = [part for part in parts if part != UNKNOWN and any(character.isalpha() for character in part)]
    others = [part for part in parts if part not in words]
    if not words:
        return ", ".join("unknown" if part == UNKNOWN else part for part in parts)
    return ", ".join(words) + (f" [{'//'.join(others)}]" if others else "")


def one_line(text: str) -> str:
    """A text without line breaks or runs of blanks."""
    return " ".join(text.split())


def _by_template(parts: Sequence[str], template: str) -> tuple[int, int | None] | None:
    """How many parts are the kind, and which is the unit, by what MEDS-Extract says of them."""
    segments = template.removeprefix("f").strip("\"'").split("//")
    if len(segments) != len(parts):
        return None
    columns = [found[1] if (found := _PLACEHOLDER.fullmatch(segment)) else None for segment in segments]
    n_kind = next((at for at, column in enumerate(columns) if column is not None), len(columns))
    unit_at = next((at for at, column in enumerate(columns) if at and column and _UNIT_COLUMN.search(column)), None)
    return max(1, n_kind), unit_at


def _by_look(parts: Sequence[str], code: str, measured: Collection[str]) -> tuple[int, int | None]:
    """The same by the parts' look: capitals are the kind, as long as something is left; a unit stands last."""
    last = len(parts) - 1
    unit_at = last if code.rpartition("//")[0] in measured and (parts[last] == UNKNOWN or _is_unit(parts[last])) else None
    n_kind = 1
    while n_kind < last and _KIND.fullmatch(parts[n_kind]) and parts[n_kind] != UNKNOWN:
        n_kind += 1
    return n_kind, unit_at


def _is_unit(part: str) -> bool:
    return _UNIT.fullmatch(part.strip()) is not None


def read_codebook(root: Path, dictionaries: Sequence[str], used: Collection[str]) -> Codebook:
    """The metadata of a data set and further dictionaries, which go before them, as far as they are about codes that occur.

    Args:
        root: holds ``metadata/``, which may have ``codes.parquet``.
        dictionaries: files below ``root``: OMOP's ``CONCEPT.csv``, or a CSV or TSV with the columns ``code, description`` and,
            where known, ``unit``.
        used: the codes that occur: Athena's ``CONCEPT.csv`` has millions of others.

    Raises:
        MissingError: a dictionary is not there.
        UsageError: a file cannot be read, lacks a column or lies outside of ``root``.
    """
    descriptions: dict[str, str] = {}
    templates: dict[str, str] = {}
    units: dict[str, str] = {}
    warnings: list[str] = []
    files: list[Path] = []
    only = pl.Series(list(used), dtype=pl.String).implode()
    codes = root / "metadata" / "codes.parquet"
    if codes.is_file():
        files.append(codes)
        rows = _read_parquet(codes)
        if "code" not in rows.columns:
            raise UsageError(f"MEDS: {codes} has no column 'code'; it holds one row per code, with its description")
        _add(descriptions, rows, "description", codes, only, warnings)
        _add(templates, rows, "code_template", codes, only, warnings)
        for column in ("unit", "units"):
            _add(units, rows, column, codes, only, warnings)
    for name in dictionaries:
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"data.options.dictionaries of meds names '{name}', which leads out of the data folder")
        if not path.is_file():
            raise MissingError(f"{path} is not there: a dictionary of codes that data.options.dictionaries names")
        files.append(path)
        rows = read_dictionary(path)
        _add(descriptions, rows, "description", path, only, warnings)
        _add(units, rows, "unit", path, only, warnings)
    return Codebook(descriptions, templates, units, files, warnings)


def _add(found: dict[str, str], rows: pl.DataFrame, column: str, path: Path, only: pl.Series, warnings: list[str]) -> None:
    """Take over what a column says of some codes; where a file says two things of one code, the first, with a warning."""
    if column not in rows.columns:
        return
    said = (
        rows.select(code=pl.col("code").cast(pl.String), told=pl.col(column).cast(pl.String))
        .with_row_index("row", 1)
        .filter(pl.col("code").is_in(only))
        .with_columns(pl.col("told").str.replace_all(r"\s+", " ").str.strip_chars())
        .filter(pl.col("code").is_not_null() & (pl.col("told").fill_null("") != ""))
        .unique(("code", "told"), keep="first", maintain_order=True)
    )
    again = said.filter(~pl.col("code").is_first_distinct())
    if again.height:
        n, row = again["code"].n_unique(), again["row"][0]
        warnings.append(f"{path}: {n} codes have more than one {column} (first: row {row}); the first one of each is used")
    found.update(said.filter(pl.col("code").is_first_distinct()).select("code", "told").iter_rows())


def _read_parquet(path: Path) -> pl.DataFrame:
    with readable_parquet(path, "copy it again", "MEDS: "):
        return pl.read_parquet(path)


def read_dictionary(path: Path) -> pl.DataFrame:
    """``code, description, unit`` of a dictionary; a concept of OMOP's goes by each of the names that extractions give it.

    Raises:
        UsageError: it cannot be read, or lacks a column.
    """
    if path.suffix == ".parquet":
        rows = _read_parquet(path)
    else:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                header = file.readline()
            tab = "\t" in header
            rows = pl.read_csv(
                path, separator="\t" if tab else ",", quote_char=None if tab else '"', infer_schema=False, encoding="utf8"
            )
        except (*UNREADABLE, UnicodeDecodeError) as error:
            raise UsageError(
                f"{path} is not a readable table ({type(error).__name__}); expected a CSV or TSV file in UTF-8 with a header"
            ) from None
    rows = rows.rename({column: column.strip().lower() for column in rows.columns})
    concept = ("concept_id", "concept_name", "vocabulary_id", "concept_code")
    if all(column in rows.columns for column in concept):
        names = [
            pl.col("concept_id").cast(pl.String),
            pl.format("{}/{}", "vocabulary_id", "concept_code"),
            pl.format("{}//{}", "vocabulary_id", "concept_code"),
        ]
        return pl.concat([rows.select(code=name, description=pl.col("concept_name")) for name in names])
    if "code" not in rows.columns or not {"description", "unit"} & set(rows.columns):
        raise UsageError(
            f"{path} has no columns of a dictionary; expected code, description and perhaps unit, or OMOP's {', '.join(concept)}"
        )
    return rows
