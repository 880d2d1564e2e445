"""MEDS's label files: one file, a folder or a pattern of shards, as ACES and MEDS-DEV write them.

A row is ``subject_id, prediction_time`` and one of ``boolean_value``, ``integer_value``, ``float_value``, ``categorical_value``.
The order of rows and shards means nothing: an item is named by its subject and time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.parquet import UNREADABLE, readable_parquet
from ehrbench.readers.times import in_utc

VALUES = ("boolean_value", "integer_value", "float_value", "categorical_value")
SPLITS = ("train", "tuning", "held_out")
UNUSABLE = 0.01
"""Largest share of labels about subjects whom the data set does not have; more stop the run."""


@dataclass(frozen=True)
class Label:
    """One question and its answer."""

    subject: int
    time: datetime
    """In UTC, without a zone."""
    answer: str

    @property
    def id(self) -> str:
        """Subject and time: the same in any order of the rows."""
        return f"{self.subject}@{self.time.isoformat()}"


@dataclass(frozen=True)
class Labels:
    """The labels of one task."""

    rows: Sequence[Label]
    """In the order of the data: by subject as the shards have them, then by time."""
    choices: tuple[str, ...]
    """The answers there are; empty for numbers."""
    files: Sequence[Path]
    warnings: Sequence[str] = ()


def find_labels(root: Path, name: str) -> list[Path]:
    """The files of one file's, a folder's or a pattern's name below a data folder, by name.

    Raises:
        UsageError: the name leads out of the folder.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UsageError(f"data.options.labels of meds is '{name}', which leads out of the data folder")
    path = root / name
    found = [path] if path.is_file() else sorted(path.rglob("*.parquet") if path.is_dir() else root.glob(name))
    found = [file for file in found if file.is_file() and not any(p.startswith(".") for p in file.relative_to(root).parts)]
    if any(not file.resolve().is_relative_to(root.resolve()) for file in found):
        raise UsageError(f"data.options.labels of meds is '{name}', which leads out of the data folder")
    return found


def read_labels(root: Path, name: str, subjects: Collection[int]) -> Labels:
    """Read and check label files.

    Args:
        root: the data folder.
        name: a file, a folder or a pattern below it.
        subjects: those of the data set, in its order.

    Raises:
        MissingError: no file is there.
        UsageError: a file is not a label file, a row lacks a time or a value, two rows differ about one subject and time, or too
            many rows are about subjects whom the data set does not have.
    """
    rows, kind, files, warnings = label_rows(root, name, subjects)
    rows = rows.rename({kind: "value"}).with_columns(value=_answer(kind))
    rows = rows.unique(("subject_id", "prediction_time", "value"), keep="first", maintain_order=True)
    double = rows.filter(pl.struct("subject_id", "prediction_time").is_duplicated())
    if double.height:
        raise UsageError(
            f"{double['place'][0]}: row {double['row'][0]} and {double['place'][1]}: row {double['row'][1]} give one subject "
            "different labels at one time; keep one of them"
        )
    order = {subject: at for at, subject in enumerate(subjects)}
    labels = [Label(*row) for row in rows.select("subject_id", "prediction_time", "value").iter_rows()]
    labels.sort(key=lambda label: (order[label.subject], label.time))
    choices: tuple[str, ...] = ()
    if kind == "boolean_value":
        choices = ("yes", "no")
    elif kind == "categorical_value":
        choices = tuple(sorted({label.answer for label in labels}))
    return Labels(labels, choices, files, warnings)


def label_rows(root: Path, name: str, subjects: Collection[int]) -> tuple[pl.DataFrame, str, list[Path], list[str]]:
    """The rows of label files about a data set's subjects: ``subject_id, prediction_time``, values, ``place`` and ``row``.

    Args:
        root: the data folder.
        name: a file, a folder or a pattern below it.
        subjects: those of the data set.

    Returns:
        The rows as the files have them, the name of the column of values, the files, and warnings.

    Raises:
        MissingError: no file is there.
        UsageError: a file is not a label file, a row lacks a time or a value, or too many rows are about subjects whom the data
            set does not have.
    """
    files = find_labels(root, name)
    if not files:
        raise MissingError(
            f"{root / name}: no Parquet file is there; data.options.labels names a label file, a folder or a pattern"
        )
    tables = [_read(path) for path in files]
    kinds = {column for table in tables for column in table.columns if column in VALUES}
    if len(kinds) != 1:
        raise UsageError(
            f"{root / name}: the label files have values in {', '.join(sorted(kinds))}; expected one column of values"
        )
    kind = kinds.pop()
    rows = pl.concat([table.with_columns(place=pl.lit(str(path))) for path, table in zip(files, tables, strict=True)])
    rows, warnings = _of_subjects(rows, subjects)
    return rows, kind, files, warnings


def _read(path: Path) -> pl.DataFrame:
    """``subject_id, prediction_time``, the column of values, and the row's number."""
    with readable_parquet(path, "copy it again", "MEDS: "):
        rows = pl.read_parquet(path).with_row_index("row", 1)
    if missing := [column for column in ("subject_id", "prediction_time") if column not in rows.columns]:
        raise UsageError(f"{path} has no column {', '.join(map(repr, missing))}; it is not a MEDS label file")
    if rows.schema["prediction_time"].base_type() != pl.Datetime or not rows.schema["subject_id"].is_integer():
        raise UsageError(f"{path}: subject_id must hold whole numbers and prediction_time timestamps")
    rows = rows.with_columns(in_utc("prediction_time", rows.schema["prediction_time"]), pl.col("subject_id").cast(pl.Int64))
    kinds = [column for column in VALUES if column in rows.columns and rows[column].null_count() < rows.height]
    if len(kinds) != 1 and rows.height:
        raise UsageError(
            f"{path} has values in {', '.join(kinds) or 'no column'}; expected exactly one of {', '.join(VALUES)} to be filled"
        )
    for column in ("subject_id", "prediction_time", *kinds):
        if (empty := rows.filter(pl.col(column).is_null())).height:
            why = ", and without one the record would show what came later" if column == "prediction_time" else ""
            raise UsageError(f"{path}: row {empty['row'][0]} has no {column}{why}; leave the row out or fill it in")
    return rows.select("row", "subject_id", "prediction_time", *kinds)


def _of_subjects(rows: pl.DataFrame, subjects: Collection[int]) -> tuple[pl.DataFrame, list[str]]:
    """The rows about subjects of the data set, and what is said of the others."""
    here = pl.col("subject_id").is_in(list(subjects))
    strange = rows.filter(~here)
    if not strange.height:
        return rows, []
    said = (
        f"{strange.height} of {rows.height} labels are about subjects whom the data set does not have (first: "
        f"{strange['place'][0]}: row {strange['row'][0]})"
    )
    if strange.height > UNUSABLE * rows.height:
        raise UsageError(f"{said}; at most {UNUSABLE:.0%} may be: extract the subjects, or leave the labels out")
    return rows.filter(here), [f"{said}; they are not asked"]


def _answer(kind: str) -> pl.Expr:
    value = pl.col("value")
    if kind == "boolean_value":
        return pl.when(value).then(pl.lit("yes")).otherwise(pl.lit("no"))
    text = value.cast(pl.String)
    return text.str.strip_suffix(".0") if kind == "float_value" else text


def read_splits(root: Path) -> tuple[Mapping[int, str], Path]:
    """Subject to its part of the data set, and the file that says so.

    Raises:
        MissingError: the data set has no ``metadata/subject_splits.parquet``.
        UsageError: the file cannot be read.
    """
    path = root / "metadata" / "subject_splits.parquet"
    if not path.is_file():
        raise MissingError(f"{path} is not there; without it data.options.split cannot be asked for")
    try:
        rows = pl.read_parquet(path)
        return dict(rows.select("subject_id", pl.col("split").cast(pl.String)).iter_rows()), path
    except UNREADABLE as error:
        raise UsageError(f"{path} is not a table of subject_id and split ({type(error).__name__}); copy it again") from None
