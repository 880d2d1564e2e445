"""From checked questions to what ``run --tasks`` takes: a file of items beside the records, and a task file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ehrbench.curation.questions import DEV, TEST, Question, Questions
from ehrbench.curation.records import Records
from ehrbench.curation.sample_size import sample_size
from ehrbench.errors import UsageError
from ehrbench.hashing import hash_text
from ehrbench.jsonl import write_atomically, write_rows
from ehrbench.tasks.schema import NAME

_META = ("authors", "specialty", "category", "date")
_MOST_VALUES = 20
"""Of a property by which scores are reported, too."""
_PUBLIC = re.compile(r"[\w &/,()+-]{1,40}")


@dataclass(frozen=True)
class Plan:
    """What the user wants."""

    name: str
    """Of the task."""
    title: str = ""
    policy: Literal["credentialed", "open"] = "credentialed"
    dev_share: float = 0.0
    """Share of the patients, 0 to 1, whose questions are for writing prompts and are never scored with the others."""
    seed: int = 0


@dataclass(frozen=True)
class Built:
    """What was written."""

    task_file: Path
    files: Sequence[Path]
    tasks: Sequence[str]
    n: dict[str, int]
    """Questions by part."""
    sample_size: str
    """Of the part that is scored."""


def split(questions: Sequence[Question], share: float, seed: int) -> dict[str, str]:
    """The part of each patient: as the table says for one of their questions, else drawn by patient.

    Args:
        questions: all of them.
        share: of the patients that the table leaves open, how many are ``dev``; the same seed draws the same ones.
        seed: for drawing.

    Raises:
        UsageError: the table puts questions about one patient into both parts.
    """
    said: dict[str, tuple[str, int]] = {}
    for one in questions:
        if one.split:
            part, row = said.setdefault(one.patient, (one.split, one.row))
            if part != one.split:
                raise UsageError(
                    f"rows {row} and {one.row} put questions about one patient into '{TEST}' and '{DEV}'; expected one of them"
                )
    parts = {patient: part for patient, (part, _) in said.items()}
    others = sorted({one.patient for one in questions} - set(parts), key=lambda patient: hash_text(f"{seed}:{patient}"))
    n_dev = round(share * len(others))
    return parts | dict.fromkeys(others[:n_dev], DEV) | dict.fromkeys(others[n_dev:], TEST)


def build(found: Questions, records: Records, plan: Plan, task_file: Path, *, force: bool = False) -> Built:
    """Write the items and the task file; the same table, options and seed give the same bytes.

    Args:
        found: the questions to write; their problems are not looked at.
        records: where they are written, beside the records.
        plan: names and the split.
        task_file: where the task file is written.
        force: replace files of an earlier build.

    Raises:
        UsageError: a name is not one of a task, no question is left to score, or a file is there already.
    """
    if not re.fullmatch(NAME, plan.name):
        raise UsageError(
            f"--name is '{plan.name}'; expected small letters, digits and '_', perhaps parted by dots, such as ward.notes"
        )
    part_of = split(found.asked, plan.dev_share, plan.seed)
    parts = {part: [one for one in found.asked if part_of[one.patient] == part] for part in (TEST, DEV)}
    if not parts[TEST]:
        raise UsageError(f"{found.table.path}: no question is left to score; lower --dev-share, or mend the rows that are named")
    names = {TEST: plan.name, DEV: f"{plan.name}_dev"}
    written = {part: ones for part, ones in parts.items() if ones}
    files = {part: records.root / _items_file(names[part]) for part in written}
    if not force and (there := next((path for path in (task_file, *files.values()) if path.exists()), None)):
        raise UsageError(f"{there} is there already; choose another --name, or replace what an earlier build wrote with --force")
    for part, ones in written.items():
        write_rows(files[part], [_row(one, records) for one in ones])
    task_file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(task_file, _task_file(written, names, records, plan).encode(), mode=0o644)
    return Built(
        task_file,
        list(files.values()),
        [names[part] for part in written],
        {part: len(ones) for part, ones in parts.items()},
        sample_size(len(parts[TEST]), len({one.patient for one in parts[TEST]})),
    )


def _row(one: Question, records: Records) -> dict[str, Any]:
    row = {
        "id": one.id,
        "question": one.text,
        "answer": one.gold,
        **records.pointer(one.record, one.date),
        "group": one.patient,
        "authors": list(one.authors) or None,
        "specialty": one.specialty or None,
        "category": one.category or None,
        "date": one.date.isoformat() if one.date else None,
    }
    return {key: value for key, value in row.items() if value is not None}


def _task_file(written: dict[str, list[Question]], names: dict[str, str], records: Records, plan: Plan) -> str:
    """A table of tasks; JSON's texts and lists are YAML's, too."""
    test = written[TEST]
    has = [key for key in _META if any(getattr(one, key) for ones in written.values() for one in ones)]
    strata = [{"by": key, "values": values} for key in ("category", "specialty") if (values := _values(test, key))]
    tasks = [
        f"  - {{task: {names[part]}, title: {_said(_title(plan, part))}, expected_items: {len(ones)}, "
        f"data: {{options: {{file: {_items_file(names[part])}, meta: {_said(has)}}}}}}}"
        for part, ones in written.items()
    ]
    lines = [
        "# Written by `ehrbench data build-questions`; change what you like (docs/writing-a-task.md says what there is).",
        "defaults:",
        "  version: 1",
        "  description: The input is one patient's record and a clinician's question. The answer is compared with a clinician's.",
        f"  data: {{reader: {records.reader}, path: {_said(records.root.resolve().name)}, policy: {plan.policy}}}",
        f"  record: {{context: truncate, keep: end, cut: {'entries' if records.cut else 'tokens'}}}",
        "  prompt:",
        "    user: |-",
        "      Answer the following question based on the patient's record.",
        "",
        "      Record:",
        "      {{ record }}",
        "",
        "      Question: {{ question }}",
        "      Answer:",
        "  generation: {max_tokens: 256, max_reasoning_tokens: 4096, temperature: 0}",
        "  metrics: [rouge_l, chrf_pp, google_bleu]",
        "  primary: chrf_pp",
        *([f"  strata: {_said(strata)}"] if strata else []),
        "tasks:",
        *tasks,
    ]
    return "\n".join(lines) + "\n"


def _items_file(task: str) -> str:
    """The leak search takes a data file's name for an identifier, and a task's name stands in every result."""
    return f"items-of-{task}.jsonl"


def _said(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _title(plan: Plan, part: str) -> str:
    title = plan.title or plan.name
    return title if part == TEST else f"{title}, for writing prompts"


def _values(questions: Sequence[Question], key: str) -> list[str]:
    """A property's values where all are short names and few: they stand in the task file and in results."""
    values = sorted({value for one in questions if (value := getattr(one, key))})
    return values if 1 < len(values) <= _MOST_VALUES and all(_PUBLIC.fullmatch(value) for value in values) else []
