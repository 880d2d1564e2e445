"""MEDS, the Medical Event Data Standard: any hospital's extract as records.

A MEDS data set is ``data/**/*.parquet`` (``subject_id, time, code`` and, perhaps, ``numeric_value, text_value`` and others), with
``metadata/codes.parquet`` to describe codes. A subject stands in one file only, its rows together and in order of time; events
without a time are static. See https://github.com/Medical-Event-Data-Standard/meds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.records import Entry, Record

REQUIRED = ("subject_id", "time", "code")


@dataclass(frozen=True)
class Meds:
    """A MEDS data set that has been looked at and not yet read."""

    root: Path
    files: Sequence[Path]
    """The shards, by name."""
    shard_of: Mapping[int, Path]
    """Subject to its shard, in the order of the shards."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Code to its description, where the metadata have one."""

    def record(self, subject_id: int, until: datetime | None = None) -> Record:
        """One subject's record.

        Args:
            subject_id: whose.
            until: leave out what happened after this time, as MEDS's labels ask with their ``prediction_time``. In UTC and
                without a zone, as the data's own times are once they are read.

        Returns:
            A line an event: ``{time}, {description, or code}: {value}``; static events first, with ``static`` for a time.

        Raises:
            UsageError: the data set does not have the subject.
        """
        if subject_id not in self.shard_of:
            raise UsageError(f"MEDS: {self.root} has no subject {subject_id}")
        rows = pl.scan_parquet(self.shard_of[subject_id]).filter(pl.col("subject_id") == subject_id).collect()
        rows = rows.with_columns(time=_in_utc(rows.schema["time"]))
        if until is not None:
            rows = rows.filter(pl.col("time").is_null() | (pl.col("time") <= until))
        return _render(str(subject_id), rows.sort("time", nulls_last=False, maintain_order=True), self.descriptions)


def open_meds(root: Path) -> Meds:
    """Find a data set's shards and subjects.

    Raises:
        MissingError: ``root`` has no ``data`` folder with Parquet files.
        UsageError: a shard lacks a column or has one of a wrong type, or a subject stands in two shards.
    """
    files = [path for path in sorted((root / "data").rglob("*.parquet")) if path.is_file() and not _hidden(path, root)]
    if not files:
        raise MissingError(f"MEDS: {root} has no Parquet files below data/; name the folder that holds data/ and metadata/")
    shard_of: dict[int, Path] = {}
    for path in files:
        _check(path)
        for subject in pl.scan_parquet(path).select(pl.col("subject_id").unique(maintain_order=True)).collect()["subject_id"]:
            if subject in shard_of:
                raise UsageError(
                    f"MEDS: subject {subject} stands in {shard_of[subject]} and in {path}; a subject belongs into one file"
                )
            shard_of[subject] = path
    return Meds(root, files, shard_of, _descriptions(root))


def _hidden(path: Path, root: Path) -> bool:
    """Whether a file is one of those that other programs leave behind (``._0.parquet``, ``.ipynb_checkpoints/``)."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _in_utc(dtype: pl.DataType) -> pl.Expr:
    """The column ``time`` in microseconds without a zone: one that has a zone is put into UTC."""
    time = pl.col("time")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return time.cast(pl.Datetime("us"))


def _check(path: Path) -> None:
    try:
        schema = pl.read_parquet_schema(path)
        missing = [column for column in REQUIRED if column not in schema]
        if missing:
            raise UsageError(f"MEDS: {path} has no column {', '.join(map(repr, missing))}; MEDS needs {', '.join(REQUIRED)}")
        legal = {"subject_id": schema["subject_id"].is_integer(), "time": schema["time"].base_type() == pl.Datetime}
        legal["code"] = schema["code"] in (pl.String, pl.Categorical)
        wrong = [column for column, right in legal.items() if not right]
        if wrong:
            kinds = ", ".join(f"'{column}' is {schema[column]}" for column in wrong)
            raise UsageError(f"MEDS: {path}: {kinds}; expected a whole number, a timestamp and text (subject_id, time, code)")
        empty = pl.scan_parquet(path).select(pl.col("subject_id").null_count() + pl.col("code").null_count()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"MEDS: {path} is not a readable Parquet file ({type(error).__name__}); copy it again") from None
    if empty:
        raise UsageError(f"MEDS: {path}: {empty} values of subject_id or code are missing, and none may be")


def _descriptions(root: Path) -> dict[str, str]:
    path = root / "metadata" / "codes.parquet"
    if not path.is_file():
        return {}
    rows = pl.read_parquet(path)
    if "code" not in rows.columns or "description" not in rows.columns:
        return {}
    return dict(rows.select("code", "description").drop_nulls().unique("code", keep="first").iter_rows())


def _render(record_id: str, rows: pl.DataFrame, descriptions: Mapping[str, str]) -> Record:
    pieces: list[str] = []
    entries: list[Entry] = []
    start = 0
    for time, code, value in _events(rows):
        line = f"{f'{time:%Y-%m-%d %H:%M}' if time else 'static'}, {descriptions.get(code, code)}{f': {value}' if value else ''}"
        entries.append(Entry(start, start + len(line), time, code.partition("//")[0]))
        pieces.append(line)
        start += len(line) + 1
    return Record(record_id, "\n".join(pieces), entries)


def _events(rows: pl.DataFrame) -> Iterator[tuple[datetime | None, str, str]]:
    """Time, code and the value as text; a number is written as short as it can be."""
    n = rows.height
    numbers = rows["numeric_value"].cast(pl.String).to_list() if "numeric_value" in rows.columns else [None] * n
    texts = rows["text_value"].cast(pl.String).to_list() if "text_value" in rows.columns else [None] * n
    codes = rows["code"].cast(pl.String).to_list()
    for time, code, number, text in zip(rows["time"].to_list(), codes, numbers, texts, strict=True):
        parts = [part for part in (number.removesuffix(".0") if number else None, text) if part and part != "NaN"]
        yield time, code, " ".join(parts)
