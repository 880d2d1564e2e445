"""MedAlign: 303 instructions on whole longitudinal records, with clinicians' answers (Fleming et al., AAAI 2024).

``read`` opens release v1.3, HELM's arrangement of it and the pre-release. An item is an instruction that has a gold answer.
The clinicians' judgements of six systems are another reader's: ``medalign_ratings``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.cells import annotator_order, read_yes_no
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.readers.table import Columns, Row, Table, read_table
from ehrbench.records.record import Record
from ehrbench.suites.medalign.columns import INSTRUCTION_COLUMNS, read_file_name, read_id
from ehrbench.suites.medalign.layout import Layout, RecordFiles, find_layout, is_release
from ehrbench.suites.medalign.records.xml import load_record
from ehrbench.suites.medalign.taxonomy import Category, read_categories

_SHOWN = 10


@dataclass
class _Instruction:
    """What the rows of one instruction say together."""

    id: str
    question: str
    patient: str
    filename: str
    specialty: str
    answers: dict[str, str] = field(default_factory=dict)
    """Annotator to gold answer."""
    applicable: bool | None = None
    sufficient: bool | None = None
    authors: set[str] = field(default_factory=set)
    """Who wrote the instruction or a gold answer, where a table says."""


def _patients(layout: Layout) -> dict[str, str]:
    """Instruction to patient from the pre-release's relevance labels; empty without them."""
    if layout.relevance is None:
        return {}
    table = read_table(layout.relevance, "the table of matched records")
    aliases = {"instruction_id": ("instruction_id",), "person_id": ("person_id",), "selected": ("is_selected_ehr",)}
    columns = Columns(table, aliases)
    columns.require(aliases, *aliases)
    return {
        read_id(table, row, "instruction_id", columns.get(row, "instruction_id")): columns.get(row, "person_id")
        for row in table.rows
        if read_yes_no(columns.get(row, "selected"))
    }


def _merge(
    table: Table, columns: Columns, patients: Mapping[str, str], from_reviews: bool, odd: Counter[str]
) -> list[_Instruction]:
    found: dict[str, _Instruction] = {}
    for row in table.rows:
        key = read_id(table, row, "instruction_id", columns.get(row, "instruction_id"))
        patient = columns.get(row, "person_id") or patients.get(key, "")
        if patient:
            read_id(table, row, "person_id", patient)
        filename = read_file_name(table, row, columns.get(row, "filename"))
        one = found.setdefault(
            key, _Instruction(key, columns.get(row, "question"), patient, filename, columns.get(row, "specialty"))
        )
        if (patient, filename) != (one.patient, one.filename):
            raise UsageError(f"{table.place(row)}: instruction {key} names another patient or record than in an earlier row")
        if not one.question:
            raise UsageError(f"{table.place(row)}: instruction {key} has no question")
        if columns.get(row, "question") != one.question:
            odd["rows word the question of their instruction differently from its first row, whose wording is used"] += 1
        one.authors.update(filter(None, (columns.get(row, "author"), columns.get(row, "gold_author"))))
        _add_answer(one, table, columns, row, from_reviews, odd)
    return list(found.values())


def _add_answer(one: _Instruction, table: Table, columns: Columns, row: Row, from_reviews: bool, odd: Counter[str]) -> None:
    answer = columns.get(row, "gold")
    if from_reviews:  # there annotator_num is who judged, and each judgement repeats the gold answer
        if answer and answer not in one.answers.values():
            one.answers[f"Annotator_{len(one.answers) + 1}"] = answer
        return
    annotator = columns.get(row, "annotator") or f"Annotator_{len(one.answers) + 1}"
    if annotator in one.answers:
        if one.answers[annotator] != answer:
            raise UsageError(
                f"{table.place(row)}: instruction {one.id} has another answer by the same annotator in an earlier row"
            )
        odd["rows repeat an earlier row"] += 1
        return
    if not answer:
        odd["rows have no gold answer"] += 1
        return
    one.answers[annotator] = answer
    if one.applicable is None:
        one.applicable = read_yes_no(columns.get(row, "is_applicable"))
    if one.sufficient is None:
        one.sufficient = read_yes_no(columns.get(row, "is_sufficient"))


def _item(one: _Instruction, record_id: str, category: Category | None) -> Item:
    annotators = sorted(one.answers, key=annotator_order)
    meta: dict[str, Any] = {
        "n_annotators": len(annotators),
        "is_applicable": one.applicable,
        "is_sufficient": one.sufficient,
        "specialty": one.specialty or None,
    }
    if one.authors:
        meta["authors"] = sorted(one.authors)
    if category:
        meta |= {"category": category.category, "subcategory": category.subcategory or None}
    return Item(
        id=one.id,
        question=one.question,
        record_id=record_id,
        references=tuple(one.answers[annotator] for annotator in annotators),
        group=one.patient or record_id,
        meta=meta,
    )


def _require_records(layout: Layout, table: Table, missing: list[str], n_all: int) -> None:
    if not missing:
        return
    shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
    place = layout.records or table.path.parent / "ehrs"
    raise MissingError(
        f"{len(missing)} of {n_all} instructions have no record file in {place}: items {shown}; put the release's files there, "
        f"or set allow_missing: true in data.options to run the other {n_all - len(missing)} as a partial result"
    )


def _categories(layout: Layout, name: str | None) -> tuple[dict[str, Category], Path | None]:
    path = layout.categories
    if name:
        path = (layout.root / name).resolve()
        if not path.is_relative_to(layout.root.resolve()):
            raise UsageError("data.options.categories leads out of the data folder")
        path = layout.root / name
    return (read_categories(path), path) if path else ({}, None)


def _read_table(layout: Layout, chosen: Mapping[str, str] | None) -> tuple[Path, Columns, list[_Instruction], Counter[str]]:
    """The table of instructions: its path and columns, what it holds, what was odd."""
    path = layout.gold or layout.reviews
    assert path is not None
    table = read_table(path, "the table of instructions")
    columns = Columns(table, INSTRUCTION_COLUMNS, chosen)
    columns.require(INSTRUCTION_COLUMNS, "instruction_id", "question", "gold")
    patients = _patients(layout)
    if not patients and "filename" not in columns:
        columns.require(INSTRUCTION_COLUMNS, "person_id")
    odd: Counter[str] = Counter()
    instructions = _merge(table, columns, patients, layout.gold is None, odd)
    if not any(one.answers for one in instructions):
        raise UsageError(f"{path}: none of {len(instructions)} instructions has a gold answer")
    return path, columns, instructions, odd


def read_instructions(root: Path, columns: Mapping[str, str] | None = None) -> tuple[list[Item], tuple[str, ...]]:
    """The instructions that have a gold answer, from the tables alone: the records need not be there.

    Args:
        root: the release's folder, or one above it.
        columns: meaning to column name, where the table names its columns otherwise.

    Returns:
        (items without a record, what was odd).

    Raises:
        MissingError: the table is not there.
        UsageError: it is malformed; the message names file and row.
    """
    _, resolved, instructions, odd = _read_table(find_layout(root), columns)
    answered = [one for one in instructions if one.answers]
    items = [_item(one, one.filename, None) for one in answered]
    return items, _warnings(resolved, odd, len(instructions) - len(answered), [], 0)


class Options(ReaderOptions):
    """``data.options`` of ``medalign``."""

    allow_missing: bool = False
    """Leave out instructions whose record is not there, with a warning."""
    categories: str | None = None
    """A table of instruction ids and categories, below the release's folder."""
    columns: dict[str, str] | None = None
    """Meaning to column name, where a table names its columns otherwise."""
    rendering: Literal["raw", "visits", "compact"] = "raw"
    """Of the records."""


@reader(
    Options,
    recognises=lambda root, _: is_release(root),
    meta=("n_annotators", "is_applicable", "is_sufficient", "specialty", "authors", "category", "subcategory"),
)
def read(root: Path, options: Options) -> Dataset:
    """Open a MedAlign release: its folder, or one above it (``layout`` lists the arrangements).

    Raises:
        MissingError: the tables or record files are not there.
        UsageError: a table is malformed; the message names file and row.
    """
    layout = find_layout(root)
    path, columns, instructions, odd = _read_table(layout, options.columns)
    table = columns.table
    answered = [one for one in instructions if one.answers]

    records = RecordFiles(layout.records)
    places = {one.id: records.find(one.filename, one.patient) for one in answered}
    missing = [key for key, place in places.items() if place is None]
    if not options.allow_missing or len(missing) == len(answered):
        _require_records(layout, table, missing, len(answered))
    categories, category_file = _categories(layout, options.categories)
    items: list[Item] = []
    files: dict[str, Path] = {}
    for one in answered:
        if place := places[one.id]:
            files[place.name] = place
            items.append(_item(one, place.name, categories.get(one.id)))

    def load(record_id: str) -> Record:
        if record_id not in files:
            raise UsageError(f"record '{record_id}' belongs to no item of {path}")
        return load_record(files[record_id], record_id, options.rendering)

    decisive = [
        path,
        *([layout.relevance] if _patients(layout) and layout.relevance else []),
        *([category_file] if category_file else []),
    ]
    return Dataset(
        root=layout.root,
        items=tuple(items),
        files=(*decisive, *files.values()),
        load_record=load,
        warnings=_warnings(columns, odd, len(instructions) - len(answered), missing, records.count_strays(files.values())),
    )


def _warnings(columns: Columns, odd: Counter[str], n_unanswered: int, missing: list[str], n_strays: int) -> tuple[str, ...]:
    name = columns.table.path.name
    lines = [f"{name}: {n} {what}" for what, n in odd.items()]
    if report := columns.report():
        lines.append(report)
    if n_unanswered:
        lines.append(f"{name}: {n_unanswered} instructions have no gold answer and are not items")
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        lines.append(f"{len(missing)} instructions are left out because their record is not there: {shown}")
    if n_strays:
        lines.append(f"the record folder has {n_strays} files that no patient's number names; they are not used")
    return tuple(lines)
