"""EHR-Bench's released JSONL: serialised contexts, instructions and golds (protocol page, section 2, release b).

A file is gone through once for the places of its lines; contexts are read again one at a time, when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ehrbench.datasets.dataset import Dataset
from ehrbench.datasets.item import Item
from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_file
from ehrbench.records.ehr_r1 import markdown_record, split_patient_block
from ehrbench.records.record import Record

FILES = {"decision_making": "ehr_bench_decision_making.jsonl", "risk_prediction": "ehr_bench_risk_prediction.jsonl"}
_OPTIONS = ("task", "type", "candidates", "patient_block", "rendering")
_MISSING = frozenset({"nan", "none"})


def recognises(root: Path, options: Mapping[str, Any]) -> bool:
    """Whether a folder has the released file of the task's type."""
    return (root / FILES.get(str(options.get("type")), "-")).is_file()


def read(root: Path, options: Mapping[str, Any]) -> Dataset:
    """Open one task.

    Options:
        task: the task's key in the release (``labevents``).
        type: ``decision_making`` or ``risk_prediction``.
        candidates: ``repaired`` (default: every label that the task's golds use is among the candidates, no NaN) or ``released``.
        patient_block: ``apart`` (default: a slot of its own, never cut) or ``record`` (part of the record, cut first).

    Raises:
        MissingError: the file is not there, or has no row of the task.
        UsageError: a row is malformed (file and line), or an option unknown.
    """
    for name in options:
        if name not in _OPTIONS:
            raise UsageError(unknown_name("data option of ehr_bench", name, _OPTIONS))
    kind = str(options.get("type"))
    if kind not in FILES:
        raise UsageError(unknown_name("data.options.type of ehr_bench", kind, FILES))
    path = root / FILES[kind]
    if not path.is_file():
        raise MissingError(f"{path} is not there; put the release's {FILES[kind]} into {root}")
    rows = [row for row in _rows(path, str(options.get("task"))) if row is not None]
    if not rows:
        raise MissingError(f"{path} has no row of task '{options.get('task')}'")
    vocabulary = {label for row in rows for label in row.labels}
    fixed = len({row.candidates for row in rows if row.candidates}) == 1
    apart = options.get("patient_block", "apart") == "apart"
    by_id = {row.item: row for row in rows}

    def load(record_id: str) -> Record:
        row = by_id[record_id]
        with path.open("rb") as file:
            file.seek(row.offset)
            text: str = json.loads(file.readline())["input"]
        return markdown_record(record_id, split_patient_block(text)[1] if apart else text)

    repair = options.get("candidates", "repaired") == "repaired"
    return Dataset(
        root=root,
        items=[_item(row, kind, apart, vocabulary if fixed and repair else set(), repair) for row in rows],
        files=[path],
        load_record=load,
        open_data=_is_open(root, path),
        warnings=_warnings(rows),
    )


def _is_open(root: Path, path: Path) -> bool:
    """Whether ``ehrbench data prepare`` built this very file from the open demo: its manifest has the file's hash."""
    try:
        manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
        built = manifest["files"].get(path.name) if manifest["open_data"] is True else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return built is not None and built == hash_file(path)


@dataclass(frozen=True)
class _Row:
    item: str
    offset: int
    instruction: str
    patient: str
    labels: tuple[str, ...]
    candidates: tuple[str, ...]
    plain_gold: bool
    subject: str | None


def _rows(path: Path, task: str) -> Iterator[_Row]:
    seen: set[str] = set()
    marker = json.dumps(task).encode()
    with path.open("rb") as file:
        offset = 0
        for number, line in enumerate(file, 1):
            if line.strip() and marker in line:
                row = _row(f"{path}:{number}", line, offset, task)
                if row is not None:
                    if row.item in seen:
                        raise UsageError(f"{path}:{number}: a second row of task '{task}' has the same idx ({row.item})")
                    seen.add(row.item)
                    yield row
            offset += len(line)


def _row(place: str, line: bytes, offset: int, task: str) -> _Row | None:
    try:
        data = json.loads(line)
        info = data["task_info"]
        if info["task"] != task:
            return None
        instruction, text, index = str(data["instruction"]), data["input"], int(data["idx"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{place}: expected an object with idx, instruction, input and task_info.task") from None
    if not isinstance(text, str):
        raise UsageError(f"{place}: 'input' is not a text")
    labels, plain = _gold(place, info, data.get("output"))
    candidates = data.get("candidates") or []
    if not isinstance(candidates, list):
        raise UsageError(f"{place}: 'candidates' is neither a list nor null")
    return _Row(
        f"{task}-{index}",
        offset,
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


def _gold(place: str, info: Mapping[str, Any], output: object) -> tuple[tuple[str, ...], bool]:
    """The gold labels (``label``, else ``target`` as JSON, else ``output``), and whether the release has a plain text."""
    label = info.get("label")
    if label is None and isinstance(info.get("target"), str):
        try:
            label = json.loads(info["target"])
        except ValueError:
            raise UsageError(f"{place}: task_info.target is not JSON, and there is no task_info.label") from None
    if label is None:
        label = str(output or "").split("\n")
    plain = isinstance(label, str)
    labels = [label] if isinstance(label, str) else label
    if not isinstance(labels, list):
        raise UsageError(f"{place}: the gold is neither a text nor a list")
    found = tuple(dict.fromkeys(text for value in labels if (text := str(value).strip()) and text.lower() not in _MISSING))
    if not found:
        raise UsageError(f"{place}: the gold is empty")
    return found, plain


def _item(row: _Row, kind: str, apart: bool, vocabulary: set[str], repair: bool) -> Item:
    risk = kind == "risk_prediction"
    choices = ("yes", "no") if risk else _candidates(row, vocabulary, repair)
    inside = {choice.casefold() for choice in row.candidates}
    return Item(
        id=row.item,
        question=row.instruction,
        record_id=row.item,
        references=(row.labels[0].lower(),) if risk else row.labels[:1],
        labels=row.labels,
        choices=choices,
        group=row.subject,
        slots={"patient": row.patient if apart else "", "candidates": list(choices)},
        meta={"gold_in_candidates": all(label.casefold() in inside for label in row.labels)} if row.candidates else {},
    )


def _candidates(row: _Row, vocabulary: set[str], repair: bool) -> tuple[str, ...]:
    """The candidates in the release's order; repaired, without NaN and with what its fixed vocabulary lacks at the end."""
    if not repair or not row.candidates:
        return row.candidates
    kept = [choice for choice in row.candidates if choice.strip().lower() not in _MISSING]
    return tuple(dict.fromkeys([*kept, *sorted(vocabulary - set(kept))]))


def _warnings(rows: Sequence[_Row]) -> tuple[str, ...]:
    plain = sum(row.plain_gold for row in rows if len(row.labels) == 1)
    nan = sum(any(choice.strip().lower() in _MISSING for choice in row.candidates) for row in rows)
    warnings = [f"{plain} golds are a plain text and count as a list of one"] if plain and plain != len(rows) else []
    return tuple(warnings + ([f"{nan} rows have NaN among their candidates"] if nan else []))
