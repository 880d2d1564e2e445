"""What the codes in patients' files are called: the release's folder ``index_mapping`` (protocol page, section 2, release a).

Nothing is read before a name from it is wanted. Names of radiology examinations are kept for the patients in question only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.parquet import UNREADABLE
from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.pandas_text import MISSING, as_missing, inferred_kinds, printed

FOLDER = "index_mapping"
_CODED = ("icd_code", "icd_version", "long_title")
FILES: Mapping[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("diagnoses_icd", "=icd"): ("hosp/d_icd_diagnoses.csv", _CODED),
    ("procedures_icd", "=icd"): ("hosp/d_icd_procedures.csv", _CODED),
    ("diagnoses_icd", "=ccs"): ("hosp/d_ccs_diagnoses.csv", _CODED),
    ("procedures_icd", "=ccs"): ("hosp/d_ccs_procedures.csv", _CODED),
    ("diagnosis", "=ccs"): ("ed/d_ccs_diagnoses.csv", _CODED),
    ("prescriptions", "=atc"): ("hosp/d_atc_prescriptions.csv", ("ndc_code", "atc_name")),
    ("medrecon", "=atc"): ("ed/d_atc_prescriptions.csv", ("ndc_code", "atc_name")),
    ("radiology", "=exams"): ("note/radiology_detail.csv", ("note_id", "field_name", "field_value")),
    ("labevents", "=item"): ("hosp/d_labitems.csv", ("itemid", "label")),
    **{
        (name, "=item"): ("icu/d_items.csv", ("itemid", "label"))
        for name, source in SOURCES.items()
        if source.module == "icu" and ("Item_Name", "=item") in source.shown
    },
}
"""Table and looked-up value to the file, and the columns it needs: the keys, and what they are called."""
_OPTIONAL = frozenset({"=ccs", "=atc", "=exams"})
"""Made from other sources than MIMIC-IV's own tables, or from its notes."""


class IndexMapping:
    """Names by table and code."""

    def __init__(self, root: Path, subjects: Collection[int], text_codes: bool) -> None:
        """Look at a release.

        Args:
            root: holds ``index_mapping/``.
            subjects: whose radiology examinations may be asked for.
            text_codes: codes keep their leading zeros; else they are read as pandas reads them, as in the release.
        """
        self._folder, self._subjects, self._text_codes = root / FOLDER, subjects, text_codes
        self._names: dict[Path, Mapping[tuple[str, ...], Any]] = {}
        self._absent: Counter[Path] = Counter()

    @property
    def files(self) -> list[Path]:
        """Those that were read."""
        return sorted(path for path in self._names if path not in self._absent)

    @property
    def absent(self) -> Mapping[Path, int]:
        """Files that were wanted and are not there, and how many names of each."""
        return dict(sorted(self._absent.items()))

    def name(self, table: str, lookup: str, row: Mapping[str, Any]) -> Any:
        """What a row's code is called; a list for examinations; None where there is no name.

        Raises:
            MissingError: a file of MIMIC-IV's own names is not there.
            UsageError: a file has no such columns.
        """
        file, columns = FILES[table, lookup]
        path = self._folder / file
        if path not in self._names:
            self._names[path] = self._read(path, lookup, columns)
            if not path.is_file():
                self._absent[path] = 0
        if path in self._absent:
            self._absent[path] += 1
            return None
        if lookup == "=atc":
            key: tuple[str, ...] = (_whole(row.get("ndc")).zfill(11),)
        elif lookup in ("=icd", "=ccs"):
            code = str(row.get("icd_code"))
            key = (code.strip() if self._text_codes else code, _whole(row.get("icd_version")))
        elif lookup == "=exams":
            key = (str(row.get("note_id")),)
        else:
            key = (_whole(row.get("itemid")),)
        return self._names[path].get(key)

    def _read(self, path: Path, lookup: str, columns: tuple[str, ...]) -> Mapping[tuple[str, ...], Any]:
        if not path.is_file():
            if lookup in _OPTIONAL:
                return {}
            raise MissingError(
                f"EHR-Bench: {path} is not there; the patients' files hold codes, and it has their names ({', '.join(columns)})"
            )
        rows = _table(path, columns)
        if lookup == "=exams":
            return self._examinations(rows)
        if lookup == "=atc" and self._text_codes:
            rows = _columns(rows, ndc_code=lambda code: code.str.zfill(11))
        elif lookup in ("=atc", "=icd", "=ccs"):
            key = "ndc_code" if lookup == "=atc" else "icd_code"
            kind = inferred_kinds(rows, [key])[key]
            rows = _columns(rows, **{key: lambda code: code.str.strip_chars() if self._text_codes else printed(code, kind)})
        if lookup != "=atc":
            last = columns[-2]
            rows = _columns(rows, **{last: lambda value: value.str.strip_suffix(".0")})
        return {tuple(keys): value for *keys, value in rows.collect().iter_rows()}

    def _examinations(self, rows: pl.LazyFrame) -> Mapping[tuple[str, ...], list[str]]:
        owner = pl.col("note_id").str.split("-").list.first()  # MIMIC-IV-Note numbers a note by its patient
        wanted = owner.is_in([str(subject) for subject in self._subjects])
        named = (pl.col("field_name") == "exam_name") & pl.col("field_value").is_not_null()
        found: dict[tuple[str, ...], list[str]] = {}
        for note, _, name in rows.filter(wanted & named).collect(engine="streaming").iter_rows():
            found.setdefault((note,), []).append(name)
        return found


def _columns(rows: pl.LazyFrame, **changes: Any) -> pl.LazyFrame:
    return rows.with_columns(change(pl.col(name)).alias(name) for name, change in changes.items())


def _table(path: Path, columns: tuple[str, ...]) -> pl.LazyFrame:
    try:
        rows = pl.scan_csv(path, infer_schema=False)
        missing = [name for name in columns if name not in rows.collect_schema().names()]
    except UNREADABLE as error:
        raise UsageError(f"EHR-Bench: {path} is not a readable CSV file ({type(error).__name__})") from None
    if missing:
        raise UsageError(f"EHR-Bench: {path} has no column {', '.join(missing)}; it needs {', '.join(columns)}")
    return rows.select(as_missing(pl.col(name)).alias(name) for name in columns)


def _whole(value: Any) -> str:
    """A number's text without the ``.0`` that a missing value elsewhere in its column gives it."""
    text = "" if value is None or value in MISSING else str(value)
    return text.removesuffix(".0")
