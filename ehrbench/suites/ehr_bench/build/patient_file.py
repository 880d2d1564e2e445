"""A patient's events as one Parquet file, one event per row (protocol page, section 2, release a).

Columns: ``file_name``; ``starttime`` and ``endtime`` as text, null where there is none; ``hadm_id``, digits or null; ``items``, a
JSON list of the event's raw rows whose values are all text, ``nan`` where one is missing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.jsonl import parse
from ehrbench.parquet import readable_parquet, write_parquet
from ehrbench.suites.ehr_bench.build.index_mapping import IndexMapping
from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.markdown import time_text
from ehrbench.suites.ehr_bench.build.merge import RAW, Event, Patient

FOLDER = "patients_ehr"
COLUMNS = ("file_name", "starttime", "endtime", "hadm_id", "items")
_MISSING = "nan"
_NO_KEY = "None"


def write_patient(patient: Patient, path: Path) -> None:
    """Write a patient whose tables were staged with their raw values."""
    rows = [
        (
            event.table,
            None if event.start is None else time_text(event.start),
            None if event.end is None else time_text(event.end),
            None if event.hadm is None else str(event.hadm),
            json.dumps(_raw_rows(patient, event), ensure_ascii=False),
        )
        for event in patient.events
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String()), orient="row")
    write_parquet(frame, path, compression="zstd", compression_level=3)


def _raw_rows(patient: Patient, event: Event) -> list[dict[str, str]]:
    columns = patient.columns[event.table]
    raw = {name.removeprefix(RAW): values for name, values in columns.items() if name.startswith(RAW)}
    return [{name: _MISSING if values[row] is None else values[row] for name, values in raw.items()} for row in event.rows]


class PatientFile:
    """The events of one patient, decoded as far as they are asked for."""

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            UsageError: it is not readable, or lacks a column.
        """
        self.path = path
        with readable_parquet(path, "unpack it from the release again", "EHR-Bench: "):
            frame = pl.read_parquet(path)
        if missing := [name for name in COLUMNS if name not in frame.columns]:
            raise UsageError(f"EHR-Bench: {path} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
        text = frame.select(
            pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S") if frame.schema[name].is_temporal() else pl.col(name).cast(pl.String)
            for name in COLUMNS
        )
        self._rows: list[tuple[str | None, ...]] = text.rows()

    def __len__(self) -> int:
        return len(self._rows)

    def patient(self, subject: int, wanted: Collection[int], names: IndexMapping) -> Patient:
        """The patient, with the values of the wanted events; the others have none.

        Args:
            subject: the patient's number.
            wanted: positions in the file.
            names: what codes are called.

        Raises:
            UsageError: a row of the file is malformed.
            MissingError: a file of names is not there.
        """
        events: list[Event] = []
        columns: dict[str, dict[str, list[Any]]] = {}
        n_rows: Counter[str] = Counter()
        for position, (table, start, end, hadm, items) in enumerate(self._rows):
            place = f"EHR-Bench: {self.path}: row {position}"
            source = SOURCES.get(table or "")
            rows: range = range(0)
            if source is not None and source.title and position in wanted:
                found = columns.setdefault(source.name, {column: [] for _, column in source.shown})
                values = _raw_items(place, items)
                rows = range(n_rows[source.name], n_rows[source.name] + len(values))
                n_rows[source.name] += len(values)
                for _, column in source.shown:
                    found[column].extend(_shown(source.name, column, row, names) for row in values)
            events.append(Event(table or "", _seconds(place, start), _seconds(place, end), _number(place, hadm), rows))
        return Patient(subject, events, columns)


def _raw_items(place: str, text: str | None) -> list[Mapping[str, Any]]:
    try:
        rows = parse(text or "")
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{place}: 'items' is not a JSON list of objects")
    return rows


def _shown(table: str, column: str, row: Mapping[str, Any], names: IndexMapping) -> Any:
    if column == "=none":
        return None
    if column.startswith("="):
        return names.name(table, column, row)
    value = row.get(column, _NO_KEY)
    return _MISSING if value is None else value


def _seconds(place: str, text: str | None) -> int | None:
    if text is None or text in (_MISSING, _NO_KEY, ""):
        return None
    try:
        return int(datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        raise UsageError(f"{place}: a time is not of the form YYYY-MM-DD HH:MM:SS") from None


def _number(place: str, text: str | None) -> int | None:
    if text is None or text in (_MISSING, _NO_KEY, ""):
        return None
    digits = text.removesuffix(".0")
    if not digits.isdecimal():
        raise UsageError(f"{place}: 'hadm_id' is neither digits nor null")
    return int(digits)
