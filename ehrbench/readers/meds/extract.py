"""MEDS, the Medical Event Data Standard: any hospital's extract as records.

A MEDS data set is ``data/**/*.parquet`` (``subject_id, time, code`` and, perhaps, ``numeric_value, text_value`` and others), with
``metadata/codes.parquet`` to describe codes. A subject stands in one file only, its rows together and in order of time; events
without a time are static. See https://github.com/Medical-Event-Data-Standard/meds.

Opening scans each shard once for where its subjects' rows stand. Records are then read in blocks of neighbouring subjects, so
memory does not grow with the data, and items that come in the order of the data read each row once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.parquet import readable_parquet
from ehrbench.readers.coverage import Told
from ehrbench.readers.meds.codes import UNKNOWN, Codebook, Meaning, read_codebook
from ehrbench.readers.meds.rendering import MODIFIERS, Lines, render
from ehrbench.readers.times import in_utc
from ehrbench.records import Record

REQUIRED = ("subject_id", "time", "code")
BLOCK_ROWS = 100_000
"""Rows that are read and rendered at a time, at least: a subject's rows are never parted."""
_BLOCKS_HELD = 2


class Block(NamedTuple):
    """Neighbouring subjects of a shard."""

    shard: Path
    first: int
    """Their first row."""
    n_rows: int
    state: tuple[int, int]
    """Size and time of change of the shard when it was looked at: in another one the rows stand elsewhere."""


@dataclass(frozen=True)
class Meds:
    """A MEDS data set that has been looked at and not yet read."""

    root: Path
    shards: Sequence[Path]
    block_of: Mapping[int, Block]
    """Subject to the block it stands in, in the order of the data."""
    codebook: Codebook
    meanings: Mapping[str, Meaning]
    """Of every code that occurs."""
    modifiers: Sequence[str]
    """Columns whose values an event's line ends with."""
    metadata: Sequence[Path] = ()
    """Files beside the shards and the code book that decide what is shown."""
    warnings: Sequence[str] = ()
    told: Told = Told(0, 0, 0, 0)
    _held: OrderedDict[Block, Mapping[int, Lines]] = field(default_factory=OrderedDict, repr=False, compare=False)

    @property
    def files(self) -> list[Path]:
        """Every file that decides a record."""
        return [*self.shards, *self.codebook.files, *self.metadata]

    def record(self, subject_id: int, until: datetime | None = None, record_id: str | None = None) -> Record:
        """One subject's record: a line per event, and who the subject is in the record's header.

        Args:
            subject_id: whose.
            until: leave out what happened after this time, as MEDS's labels ask with their ``prediction_time``. In UTC and
                without a zone, as the data's own times are once they are read.
            record_id: the record's id; None: the subject's.

        Raises:
            UsageError: the data set does not have the subject, or its shard cannot be read any more or has changed.
        """
        block = self.block_of.get(subject_id)
        if block is None:
            raise UsageError(f"MEDS: {self.root} has no subject {subject_id}")
        return self._lines(block)[subject_id].record(record_id or str(subject_id), until)

    def _lines(self, block: Block) -> Mapping[int, Lines]:
        if block in self._held:
            self._held.move_to_end(block)
            return self._held[block]
        while len(self._held) >= _BLOCKS_HELD:
            self._held.popitem(last=False)
        self._held[block] = render(_read(block, self.modifiers), self.meanings, self.modifiers)
        return self._held[block]


def _state(shard: Path) -> tuple[int, int]:
    about = shard.stat()
    return about.st_size, about.st_mtime_ns


def _read(block: Block, modifiers: Sequence[str]) -> pl.DataFrame:
    with _readable(block.shard):
        if _state(block.shard) != block.state:
            raise UsageError(f"MEDS: {block.shard} has changed since it was opened; run the command again")
        scan = pl.scan_parquet(block.shard)
        schema = scan.collect_schema()
        columns = [column for column in (*REQUIRED, "numeric_value", "text_value", *modifiers) if column in schema]
        rows = scan.slice(block.first, block.n_rows).select(columns).collect()
    absent = [pl.lit(None, pl.String).alias(column) for column in modifiers if column not in schema]
    clocks = {"time", *(column for column in modifiers if isinstance(rows.schema.get(column), pl.Datetime))}
    times = [in_utc(column, rows.schema[column]) for column in sorted(clocks)]
    return rows.with_columns(*times, pl.col("code").cast(pl.String), *absent)


def open_meds(root: Path, dictionaries: Sequence[str] = (), modifiers: Sequence[str] | None = None) -> Meds:
    """Find a data set's shards, its subjects and what its codes say.

    Args:
        root: holds ``data/`` and ``metadata/``.
        dictionaries: files below it with names of codes.
        modifiers: columns to show; None: what ``metadata/dataset.json`` names, else the usual ones.

    Raises:
        MissingError: ``root`` has no ``data`` folder with Parquet files.
        UsageError: a shard lacks a column or has one of a wrong type, a subject stands in two shards or in two places of one,
            or metadata cannot be read.
    """
    shards = [path for path in sorted((root / "data").rglob("*.parquet")) if path.is_file() and not _hidden(path, root)]
    if not shards:
        raise MissingError(f"MEDS: {root} has no Parquet files below data/; name the folder that holds data/ and metadata/")
    described = root / "metadata" / "dataset.json"
    columns = list(modifiers) if modifiers is not None else _modifiers(described)
    warnings: list[str] = []
    block_of: dict[int, Block] = {}
    counts: dict[str, list[int]] = {}
    known: set[str] = set()
    for shard in shards:
        schema = _check(shard)
        known |= set(schema)
        _index(shard, schema, block_of, warnings)
        _count(shard, schema, counts)
    codebook = read_codebook(root, dictionaries, counts)
    warnings += codebook.warnings
    if modifiers is not None and (unknown := [column for column in columns if column not in known]):
        raise UsageError(
            f"data.options.modifiers of meds names '{unknown[0]}', which no shard has; columns are {', '.join(sorted(known))}"
        )
    columns = [column for column in columns if column in known]
    meanings = codebook.meanings({code: found[1] > 0 for code, found in counts.items()})
    return Meds(
        root, shards, block_of, codebook, meanings, columns, [described] if described.is_file() else [], warnings,
        _told(counts, meanings),
    )  # fmt: skip


def _hidden(path: Path, root: Path) -> bool:
    """Whether a file is one of those that other programs leave behind (``._0.parquet``, ``.ipynb_checkpoints/``)."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _readable(path: Path) -> AbstractContextManager[None]:
    return readable_parquet(path, "copy it again", "MEDS: ")


def _modifiers(described: Path) -> list[str]:
    """The columns that ``metadata/dataset.json`` names as modifiers of codes, else the usual ones."""
    if not described.is_file():
        return list(MODIFIERS)
    try:
        about = parse(described.read_text("utf-8-sig"))
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise UsageError(f"MEDS: {described} is not a JSON object; copy it again, or remove it")
    named = about.get("code_modifier_columns")
    if not named:
        return list(MODIFIERS)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise UsageError(f"MEDS: {described}: code_modifier_columns is not a list of columns")
    return [*dict.fromkeys(named)]


def _check(path: Path) -> pl.Schema:
    with _readable(path):
        schema = pl.scan_parquet(path).collect_schema()
        missing = [column for column in REQUIRED if column not in schema]
        if missing:
            raise UsageError(f"MEDS: {path} has no column {', '.join(map(repr, missing))}; MEDS needs {', '.join(REQUIRED)}")
        legal = {"subject_id": schema["subject_id"].is_integer(), "time": schema["time"].base_type() == pl.Datetime}
        legal["code"] = schema["code"] in (pl.String, pl.Categorical)
        if "numeric_value" in schema:
            legal["numeric_value"] = schema["numeric_value"].is_numeric()
        wrong = [column for column, right in legal.items() if not right]
        if wrong:
            kinds = ", ".join(f"'{column}' is {schema[column]}" for column in wrong)
            raise UsageError(
                f"MEDS: {path}: {kinds}; expected a whole number, a timestamp, text and a number ({', '.join(legal)})"
            )
        empty = pl.scan_parquet(path).select(pl.col("subject_id").null_count() + pl.col("code").null_count()).collect().item()
    if empty:
        raise UsageError(f"MEDS: {path}: {empty} values of subject_id or code are missing, and none may be")
    return schema


def _index(shard: Path, schema: pl.Schema, block_of: dict[int, Block], warnings: list[str]) -> None:
    """Where the subjects of a shard stand."""
    state = _state(shard)
    with _readable(shard):
        times = pl.scan_parquet(shard).select("subject_id", in_utc("time", schema["time"])).with_row_index("row").collect()
    runs = times.group_by(pl.col("subject_id").rle_id().alias("run"), maintain_order=True).agg(
        pl.col("subject_id").first(), first=pl.col("row").first(), n=pl.len()
    )
    subjects, firsts, ns = (runs[column].to_list() for column in ("subject_id", "first", "n"))
    seen: dict[int, int] = {}
    for subject, first in zip(subjects, firsts, strict=True):
        if subject in block_of:
            raise UsageError(
                f"MEDS: subject {subject} stands in {block_of[subject].shard} and in {shard}; a subject belongs in one file"
            )
        if subject in seen:
            raise UsageError(
                f"MEDS: {shard}: the rows of subject {subject} are not together (rows {seen[subject] + 1} and {first + 1}); sort "
                "the shard by subject_id and time"
            )
        seen[subject] = first
    late = times.filter(
        (pl.col("subject_id") == pl.col("subject_id").shift())
        & ((pl.col("time") < pl.col("time").shift()) | (pl.col("time").is_null() & pl.col("time").shift().is_not_null()))
    )
    if late.height:
        warnings.append(
            f"{shard}: {late.height} rows are not in order of time (first: row {late['row'][0] + 1}); they are shown in order"
        )
    for group, first, n_rows in _blocks(subjects, firsts, ns):
        block_of.update(dict.fromkeys(group, Block(shard, first, n_rows, state)))


def _blocks(subjects: Sequence[int], firsts: Sequence[int], ns: Sequence[int]) -> Iterator[tuple[Sequence[int], int, int]]:
    begin = rows = 0
    for at, n in enumerate(ns):
        rows += n
        if rows >= BLOCK_ROWS or at == len(ns) - 1:
            yield subjects[begin : at + 1], firsts[begin], rows
            begin, rows = at + 1, 0


def _count(shard: Path, schema: pl.Schema, counts: dict[str, list[int]]) -> None:
    """Add up the events of each code: all, with a number, with a number and a unit in a column."""
    number = pl.col("numeric_value").is_not_null() if "numeric_value" in schema else pl.lit(value=False)
    units = [pl.col(column).is_not_null() for column in ("unit", "units") if column in schema]
    has_unit = number & pl.any_horizontal(units) if units else pl.lit(value=False)
    counted = (pl.len().alias("n"), number.sum().alias("numbers"), has_unit.sum().alias("units"))
    with _readable(shard):
        rows = pl.scan_parquet(shard).group_by(pl.col("code").cast(pl.String)).agg(counted).collect()
    for code, *found in rows.iter_rows():
        counts[code] = [a + b for a, b in zip(counts.get(code, (0, 0, 0)), found, strict=True)]


def _told(counts: Mapping[str, Sequence[int]], meanings: Mapping[str, Meaning]) -> Told:
    n = named = numeric = with_unit = 0
    for code, (events, numbers, units) in counts.items():
        meaning = meanings[code]
        n += events
        numeric += numbers
        named += events if meaning.described or _speaks(meaning.name or meaning.kind) else 0
        with_unit += numbers if meaning.unit not in ("", "unit unknown") else units
    return Told(n, named, numeric, with_unit)


def _speaks(name: str) -> bool:
    """Whether a code's own parts have a word in them, rather than numbers alone."""
    return any(word.isalpha() and word not in (UNKNOWN, "unknown") for word in name.replace("/", " ").replace(",", " ").split())
