"""EHR-Bench's released JSONL: serialised contexts, instructions and golds (protocol page, section 2, release b).

A file is gone through once for the places of its lines; contexts are read again one at a time, when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file
from ehrbench.jsonl import parse
from ehrbench.readers.dataset import Dataset
from ehrbench.records.ehr_r1 import markdown_record, split_patient_block
from ehrbench.records.record import Record
from ehrbench.suites.ehr_bench.items import Row, gold_labels, items_of, warnings_of
from ehrbench.suites.ehr_bench.options import Options


def read_jsonl(root: Path, path: Path, options: Options) -> Dataset:
    """Open one task of a file.

    Raises:
        MissingError: the file has no row of the task.
        UsageError: a row is malformed (file and line).
    """
    task = options.task
    found = list(_rows(path, task))
    if not found:
        raise MissingError(f"{path} has no row of task '{task}'")
    rows = [row for row, _ in found]
    places = {row.item: offset for row, offset in found}

    def load(record_id: str) -> Record:
        with path.open("rb") as file:
            file.seek(places[record_id])
            text: str = parse(file.readline())["input"]
        return markdown_record(record_id, split_patient_block(text)[1] if options.patient_apart else text)

    return Dataset(
        root=root,
        items=items_of(rows, options),
        files=[path],
        load_record=load,
        open_data=_is_open(root, path),
        warnings=warnings_of(rows),
    )


def _is_open(root: Path, path: Path) -> bool:
    """Whether ``ehrbench data prepare`` built this very file from the open demo: its manifest has the file's hash."""
    try:
        manifest = parse((root / "manifest.json").read_text(encoding="utf-8"))
        built = manifest["files"].get(path.name) if manifest["open_data"] is True else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return built is not None and built == hash_file(path)


def _rows(path: Path, task: str) -> Iterator[tuple[Row, int]]:
    """The rows of a task and the offsets of their lines."""
    seen: set[str] = set()
    marker = json.dumps(task).encode()
    with path.open("rb") as file:
        offset = 0
        for number, line in enumerate(file, 1):
            if line.strip() and marker in line:
                row = row_of(f"{path}:{number}", line, task)
                if row is not None:
                    if row.item in seen:
                        raise UsageError(f"{path}:{number}: a second row of task '{task}' has the same idx ({row.item})")
                    seen.add(row.item)
                    yield row, offset
            offset += len(line)


def row_of(place: str, line: bytes | Mapping[str, Any], task: str) -> Row | None:
    """A row of a task, from a line or from plain data; None for a row of another task.

    Raises:
        UsageError: it is malformed; names ``place``.
    """
    try:
        data = parse(line) if isinstance(line, bytes) else line
        info = data["task_info"]
        if info["task"] != task:
            return None
        instruction, text, index = str(data["instruction"]), data["input"], int(data["idx"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{place}: expected an object with idx, instruction, input and task_info.task") from None
    if not isinstance(text, str):
        raise UsageError(f"{place}: 'input' is not a text")
    labels, plain = gold_labels(place, _gold(place, info, data.get("output")))
    candidates = data.get("candidates") or []
    if not isinstance(candidates, list):
        raise UsageError(f"{place}: 'candidates' is neither a list nor null")
    return Row(
        f"{task}-{index}",
        instruction,
        split_patient_block(text)[0],
        labels,
        tuple(map(str, candidates)),
        plain,
        _subject(info),
    )


def _subject(info: Mapping[str, Any]) -> str | None:
    """The patient, in files that ``ehrbench data prepare`` built; the release does not tell."""
    return None if info.get("subject_id") is None else str(info["subject_id"])


def _gold(place: str, info: Mapping[str, Any], output: object) -> object:
    """``label``, else ``target`` as JSON, else the lines of ``output``."""
    if info.get("label") is not None:
        return info["label"]
    if isinstance(info.get("target"), str):
        try:
            return parse(info["target"])
        except ValueError:
            raise UsageError(f"{place}: task_info.target is not JSON, and there is no task_info.label") from None
    return str(output or "").split("\n")
