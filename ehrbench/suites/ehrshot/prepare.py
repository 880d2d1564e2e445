"""The original release of EHRSHOT (``EHRSHOT_ASSETS``) as a MEDS data set with its labels and its split."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_args

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file
from ehrbench.jsonl import write_atomically
from ehrbench.mimic.portions import replace_files, workspace
from ehrbench.parquet import write_parquet
from ehrbench.readers.meds.codes import read_dictionary
from ehrbench.readers.omop.tables import ROW, Table, text
from ehrbench.readers.times import moment
from ehrbench.suites.ehrshot.labels import Task
from ehrbench.suites.ehrshot.reader import SPLITS

RELEASE = "EHRSHOT"
PORTION = 500
"""Patients whose events are read and written at a time: memory does not grow with the release."""
_TRUE, _FALSE = ("true", "1"), ("false", "0")


@dataclass
class Summary:
    """What was written, in numbers."""

    patients: int = 0
    events: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    """By task."""
    named_codes: int = 0
    codes: int = 0


def prepare(assets: Path, out: Path, concepts: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Summary:
    """Write ``data/``, ``metadata/``, ``labels/`` and ``manifest.json``.

    Args:
        assets: holds ``data/ehrshot.csv``, ``splits/person_id_map.csv`` and ``benchmark/<task>/labeled_patients.csv``.
        out: where to write.
        concepts: OMOP's ``CONCEPT.csv`` with the names of the codes.
        progress: told what is being done.

    Raises:
        MissingError: a file is not there.
        UsageError: a file is malformed; the message names it and the row.
    """
    events = Table(_need(assets, "data/ehrshot.csv"), ("patient_id", "start", "code", "value"), RELEASE)
    splits = Table(_need(assets, "splits/person_id_map.csv"), ("split", "omop_person_id"), RELEASE)
    tables = {}
    for task in get_args(Task):
        if (path := assets / "benchmark" / task / "labeled_patients.csv").is_file():
            tables[task] = Table(path, ("patient_id", "prediction_time", "value", "label_type"), RELEASE)
    if not tables:
        _need(assets, f"benchmark/{get_args(Task)[0]}/labeled_patients.csv")
    names = read_dictionary(concepts) if concepts else None
    if names is not None and "description" not in names.columns:
        raise UsageError(f"{concepts} has no names of codes; --concepts takes OMOP's CONCEPT.csv")
    summary = Summary()
    with workspace(out) as work:
        new = work / "new"
        for folder in ("data", "metadata", "labels"):
            (new / folder).mkdir(parents=True)
        write_parquet(_splits(splits), new / "metadata" / "subject_splits.parquet")
        for task, table in tables.items():
            progress(f"labels of {task}")
            rows = _labels(table)
            summary.labels[task] = rows.height
            (new / "labels" / task).mkdir()
            write_parquet(rows, new / "labels" / task / "labels.parquet")
        codes = _write_events(events, new / "data", summary, progress)
        described = codes.with_columns(description=pl.lit(None, pl.String))
        if names is not None:
            described = codes.join(names.unique("code", keep="first"), on="code", how="left").sort("code")
        summary.codes, summary.named_codes = described.height, described["description"].count()
        write_parquet(described.select("code", "description"), new / "metadata" / "codes.parquet")
        used = [events, splits, *tables.values()]
        manifest = {
            "format": "ehrbench ehrshot",
            "format_version": 1,
            "notice": "Derived from EHRSHOT: its data use agreement applies.",
            "tables": {str(table.path.relative_to(assets)): hash_file(table.path) for table in used},
            "counts": asdict(summary),
        }
        write_atomically(new / "manifest.json", json.dumps(manifest, indent=1).encode() + b"\n")
        replace_files(new, out, stale=("data", "metadata", "labels"))
    return summary


def _need(assets: Path, name: str) -> Path:
    path = assets / name
    if not path.is_file():
        raise MissingError(f"{path} is not there; --assets names the release's folder EHRSHOT_ASSETS, unpacked")
    return path


def _splits(table: Table) -> pl.DataFrame:
    rows = table.rows(["omop_person_id", "split"], "omop_person_id")
    split = pl.col("split").replace_strict(SPLITS, default=None, return_dtype=pl.String)
    rows = rows.select(ROW, subject_id="omop_person_id", split=split)
    _refuse(
        table, rows.filter(pl.any_horizontal(pl.all().is_null())), f"has no patient or none of the splits {', '.join(SPLITS)}"
    )
    _refuse(table, rows.filter(~pl.col("subject_id").is_first_distinct()), "is about a patient of an earlier row")
    return rows.drop(ROW)


def _labels(table: Table) -> pl.DataFrame:
    """Times are put to the minute, as the benchmark's own code reads them."""
    rows = table.rows(["patient_id", "prediction_time", "value", "label_type"], "patient_id")
    kinds = rows["label_type"].unique().to_list()
    if kinds not in (["boolean"], ["categorical"]):
        raise UsageError(f"{RELEASE}: {table.path}: label_type is not boolean or categorical throughout, as the benchmark's are")
    written = text("value").str.to_lowercase()
    truth = pl.when(written.is_in(_TRUE)).then(True).when(written.is_in(_FALSE)).then(False)
    value = {"boolean_value": truth} if kinds == ["boolean"] else {"integer_value": written.cast(pl.Int64, strict=False)}
    time = moment("prediction_time", rows.schema["prediction_time"]).dt.truncate("1m")
    rows = rows.select(ROW, subject_id="patient_id", prediction_time=time, **value)
    _refuse(
        table, rows.filter(pl.any_horizontal(pl.all().is_null())), f"has no patient, time or {kinds[0]} value that can be read"
    )
    return rows.drop(ROW)


def _write_events(table: Table, folder: Path, summary: Summary, progress: Callable[[str], None]) -> pl.DataFrame:
    patients = table.rows(["patient_id"], "patient_id")
    _refuse(table, patients.filter(pl.col("patient_id").is_null()), "has no patient_id")
    everyone = patients["patient_id"].unique().sort()
    summary.patients, summary.events = len(everyone), patients.height
    codes = []
    for number, some in enumerate(everyone.to_frame().iter_slices(PORTION)):
        progress(f"events of patients {number * PORTION + 1} to {number * PORTION + some.height} of {len(everyone)}")
        rows = _events(table, some["patient_id"])
        codes.append(rows.select("code").unique())
        write_parquet(rows, folder / f"{number}.parquet")
    return pl.concat(codes).unique().sort("code")


def _events(table: Table, patients: pl.Series) -> pl.DataFrame:
    columns = ["patient_id", "start", "end", "code", "value", "unit"]
    rows = table.rows(columns, "patient_id", patients)
    number = text("value").cast(pl.Float64, strict=False).fill_nan(None)
    time, end = (moment(column, rows.schema[column]) for column in ("start", "end"))
    _refuse(table, rows.filter(text("code") == ""), "has no code")
    _refuse(table, rows.filter(time.is_null() & (text("start") != "")), "has a start that is not a time")
    return rows.select(
        subject_id="patient_id",
        time=time,
        code=text("code"),
        numeric_value=number,
        text_value=pl.when(number.is_null() & (text("value") != "")).then(text("value")),
        unit=pl.when(text("unit") != "").then(text("unit")),
        end=pl.when(end > time).then(end),
    ).sort("subject_id", "time", nulls_last=False, maintain_order=True)


def _refuse(table: Table, rows: pl.DataFrame, what: str) -> None:
    if rows.height:
        raise UsageError(
            f"{RELEASE}: {table.path}: row {rows[ROW][0]} {what} ({rows.height} such rows); unpack the release again"
        )
