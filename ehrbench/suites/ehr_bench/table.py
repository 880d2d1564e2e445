"""EHR-Bench's serialised rows in a table that ``datasets`` reads: the columns are the keys of the released JSONL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.hf.rows import plain_rows
from ehrbench.readers.hf.tables import find_table, is_saved, open_table, rows_digest, table_files, without_nulls
from ehrbench.records.ehr_r1 import markdown_record, split_patient_block
from ehrbench.records.record import Record
from ehrbench.suites.ehr_bench.items import items_of, warnings_of
from ehrbench.suites.ehr_bench.jsonl import row_of
from ehrbench.suites.ehr_bench.options import Options

_COLUMNS = ("idx", "instruction", "input", "task_info")


def find_rows(root: Path, stem: str) -> Path | None:
    """The table in the place of a type's JSONL, or the folder itself where ``save_to_disk`` wrote both types there."""
    return root if is_saved(root) else find_table(root, stem)


def read_table(root: Path, path: Path, options: Options) -> Dataset:
    """Open one task of a table.

    Raises:
        MissingError: datasets is not installed, or the table has no row of the task.
        UsageError: a column is missing, or a row is malformed (table and row).
    """
    data = open_table(path)
    if absent := [name for name in _COLUMNS if name not in (data.features or {})]:
        raise UsageError(f"{path}: no column {', '.join(absent)}; expected the keys of EHR-Bench's JSONL as columns")
    numbers = [number for number, row in enumerate(plain_rows(data.select_columns("task_info"))) if _task(row) == options.task]
    if not numbers:
        raise MissingError(f"{path} has no row of task '{options.task}'")
    chosen = data.select(numbers)
    rows = []
    places: dict[str, int] = {}
    for nth, (number, values) in enumerate(zip(numbers, _rows(chosen), strict=True)):
        place = f"{path}: row {number}"
        row = row_of(place, values, options.task)
        assert row is not None
        if row.item in places:
            raise UsageError(f"{place}: a second row of task '{options.task}' has the same idx ({row.item})")
        places[row.item] = nth
        rows.append(row)

    def load(record_id: str) -> Record:
        text: str = chosen[places[record_id]]["input"]
        return markdown_record(record_id, split_patient_block(text)[1] if options.patient_apart else text)

    return Dataset(
        root=root,
        items=items_of(rows, options),
        files=table_files(path),
        derived_from=hash_data([options.task, rows_digest(_rows(chosen))]),
        load_record=load,
        warnings=warnings_of(rows),
        source={"fingerprint": data._fingerprint},
    )


def _rows(data: Any) -> Iterator[dict[str, Any]]:
    return (without_nulls(row) for row in plain_rows(data))


def _task(row: dict[str, Any]) -> str | None:
    info = row["task_info"]
    return info.get("task") if isinstance(info, dict) else None
