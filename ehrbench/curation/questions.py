"""A table of instructions with gold answers, as hospitals have it: its columns, its rows and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Literal, NamedTuple

from ehrbench.curation.identifiers import identifiers
from ehrbench.curation.near_duplicates import THRESHOLD, near_duplicates
from ehrbench.curation.records import Records
from ehrbench.errors import UsageError
from ehrbench.readers.subject_questions import in_utc_without_zone
from ehrbench.readers.table import Columns, Row, Table, read_table

COLUMNS: Mapping[str, Sequence[str]] = {
    "id": ("id", "item", "item_id", "instruction_id", "question_id"),
    "question": ("question", "instruction", "query"),
    "record": ("record", "record_id", "record_file", "filename", "file_name", "file"),
    "patient": ("patient", "patient_id", "subject", "subject_id", "person", "person_id"),
    "gold": ("gold", "answer", "reference", "gold_answer", "reference_answer", "clinician_response", "clinician_answer"),
    "author": ("author", "submitter", "submitter_id", "clinician"),
    "gold_author": ("gold_author", "answer_author", "responder", "responder_id"),
    "specialty": ("specialty", "speciality", "submitter_specialty", "department"),
    "category": ("category", "task_category", "type"),
    "date": ("date", "as_of", "question_date", "prediction_time", "time"),
    "split": ("split", "part"),
}
"""Meaning to the names of its column; letter case, blanks and hyphens aside."""

Kind = Literal["id", "question", "gold", "record", "not_a_date", "date", "split", "identifier", "near_duplicate"]
ACCEPTABLE: tuple[Kind, ...] = ("date", "identifier", "near_duplicate")
"""Kinds of problems that a person may find to be none."""
TEST, DEV = "test", "dev"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?![\d-])")
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\b")


class Problem(NamedTuple):
    """Something that keeps a row from becoming a question."""

    kind: Kind
    row: int
    """1 for the first row after the header."""
    sentence: str
    """Names file and row, and quotes nothing of either."""


@dataclass(frozen=True)
class Question:
    """A row of the table."""

    row: int
    id: str
    text: str
    record: str | int
    patient: str
    gold: str
    date: datetime | None
    """As of when it is asked; a day stands for its end."""
    authors: Sequence[str]
    specialty: str
    category: str
    split: str
    """``test``, ``dev`` or empty: not said."""


@dataclass
class Questions:
    """The rows that can be asked, and the problems of the others."""

    table: Table
    asked: list[Question] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_questions(path: Path, records: Records, chosen: Mapping[str, str], accepted: Sequence[str] = ()) -> Questions:
    """Read and check a table.

    Args:
        path: CSV, TSV or an Excel workbook; one row per instruction.
        records: what the instructions are about.
        chosen: meaning to column, where a name is not one of ``COLUMNS``.
        accepted: kinds of problems (``ACCEPTABLE``) that are let pass; others never are.

    Raises:
        MissingError: there is no such file.
        UsageError: the file is no table, or lacks a column that every question needs.
    """
    accepted = [kind for kind in ACCEPTABLE if kind in accepted]
    table, columns = _columns(path, chosen)
    found = Questions(table)
    seen: dict[str, int] = {}
    for row in table.rows:
        problems = list(_problems(table, columns, row, records, seen))
        found.problems += (kept := [problem for problem in problems if problem.kind not in accepted])
        if not kept:
            found.asked.append(_question(columns, row, records))
    _check_dates(found, records, "date" in accepted)
    _check_duplicates(found, "near_duplicate" in accepted)
    found.problems.sort(key=lambda problem: problem.row)
    return found


def _columns(path: Path, chosen: Mapping[str, str]) -> tuple[Table, Columns]:
    what = "the table of instructions"
    read = read_table(path, what)
    names = [_folded(name) for name in read.columns]
    twins = [name for at, name in enumerate(names) if name in names[:at]]
    if twins:
        raise UsageError(f"{path}:1: two columns are called '{twins[0]}', blanks, hyphens and letter case aside; rename one")
    table = Table(path, names, read.rows, read.separator)
    columns = Columns(table, COLUMNS, {meaning: _folded(name) for meaning, name in chosen.items()}, "--column {meaning}=NAME")
    columns.require(COLUMNS, "question", "gold")
    if "record" not in columns:
        columns.require(COLUMNS, "patient")
    if not table.rows:
        raise UsageError(f"{path}: {what} has a header and no row; expected one instruction per row")
    return table, columns


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _name(columns: Columns, row: Row) -> str:
    return columns.get(row, "record") or columns.get(row, "patient")


def _id(columns: Columns, row: Row) -> str:
    return columns.get(row, "id") if "id" in columns else f"q{row.number:04}"


def _problems(table: Table, columns: Columns, row: Row, records: Records, seen: dict[str, int]) -> Iterator[Problem]:
    def problem(kind: Kind, sentence: str) -> Problem:
        return Problem(kind, row.number, f"{table.place(row)}: {sentence}")

    key, name, text = _id(columns, row), _name(columns, row), columns.get(row, "question")
    if not _ID.fullmatch(key):
        yield problem("id", "the id is not 1 to 64 letters, digits, '.', '_' or '-'; give the row another")
    elif (first := seen.setdefault(key, row.number)) != row.number:
        yield problem("id", f"the id is that of row {first}, too; give each row its own")
    if not text:
        yield problem("question", "no instruction; write one or remove the row")
    if not columns.get(row, "gold"):
        yield problem("gold", "no gold answer; write one or remove the row")
    if not name:
        yield problem("record", "no patient or record is named; expected a name of " + _where(records))
    elif records.find(name) is None:
        yield problem("record", f"its patient or record is none of the {records.n} of {_where(records)}; correct the name")
    if not _is_date(columns.get(row, "date")):
        yield problem("not_a_date", "the date cannot be read; expected YYYY-MM-DD, perhaps with hh:mm")
    if columns.get(row, "split").casefold() not in ("", TEST, DEV):
        yield problem("split", f"the split is neither '{TEST}' nor '{DEV}'; correct it or leave it empty")
    for what in identifiers(text, name, columns.get(row, "patient")):
        yield problem(
            "identifier", f"the instruction seems to hold {what}; reword it, or pass --accept identifier once you looked"
        )


def _where(records: Records) -> str:
    return f"the subjects of {records.root}" if records.cut else f"the files in {records.root}"


def _question(columns: Columns, row: Row, records: Records) -> Question:
    name = _name(columns, row)
    record = records.find(name)
    assert record is not None, "a row without a record has a problem that nobody can accept"
    authors = dict.fromkeys(filter(None, (columns.get(row, "author"), columns.get(row, "gold_author"))))
    return Question(
        row=row.number,
        id=_id(columns, row),
        text=columns.get(row, "question"),
        record=record,
        patient=columns.get(row, "patient") or str(record),
        gold=columns.get(row, "gold"),
        date=_date(columns.get(row, "date")),
        authors=list(authors),
        specialty=columns.get(row, "specialty"),
        category=columns.get(row, "category"),
        split=columns.get(row, "split").casefold(),
    )


def _date(text: str) -> datetime | None:
    """A date as people and spreadsheets write it, in UTC where it has a zone; a day is taken to its end.

    Raises:
        ValueError: it is not one, or could be two (3/4/2026).
    """
    if not text:
        return None
    written = text.removesuffix(" 00:00:00").removesuffix("T00:00:00").replace("Z", "+00:00")  # a workbook's day has a midnight
    if found := _GERMAN.match(written):
        written = f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}{written[found.end() :]}"
    if not _ISO.match(written):
        raise ValueError
    moment = in_utc_without_zone(datetime.fromisoformat(written))
    return datetime.combine(moment, time(23, 59, 59)) if len(written) == len("2026-04-03") else moment


def _is_date(text: str) -> bool:
    try:
        _date(text)
    except ValueError:
        return False
    return True


def _check_dates(found: Questions, records: Records, accepted: bool) -> None:
    """Part with questions whose date lies before all of the record; count those whose date lies after it."""
    dated = [question for question in found.asked if question.date is not None]
    spans = records.spans(question.record for question in dated)
    places = {row.number: found.table.place(row) for row in found.table.rows}
    early: set[int] = set()
    late = 0
    for question in dated:
        span = spans[question.record]
        if span is None or question.date is None:
            continue
        late += question.date.date() > span.last.date()
        if question.date < span.first and not accepted:
            early.add(question.row)
            found.problems.append(
                Problem(
                    "date",
                    question.row,
                    f"{places[question.row]}: the record begins after the instruction's date, so it cannot hold the answer; "
                    "correct the date or the record, or pass --accept date once you looked",
                )
            )
    undated = sum(span is None for span in spans.values())
    if undated:
        found.notes.append(f"{undated} records have no dated entry, so nobody can tell whether they reach their questions' dates")
    if late:
        found.notes.append(
            f"{late} questions have a date after the last day of their record; make sure that their authors saw nothing newer"
        )
    found.asked = [question for question in found.asked if question.row not in early]


def _check_duplicates(found: Questions, accepted: bool) -> None:
    """Part with the later of two nearly alike questions about one record; count pairs about different records."""
    asked = found.asked
    places = {row.number: found.table.place(row) for row in found.table.rows}
    apart = 0
    twice: dict[int, int] = {}
    for pair in near_duplicates([question.text for question in asked]):
        first, second = asked[pair.first], asked[pair.second]
        if first.record != second.record:
            apart += 1
        elif first.row not in twice:
            twice.setdefault(second.row, first.row)
    if apart:
        found.notes.append(
            f"{apart} pairs of questions about different records are worded nearly alike (ROUGE-L above {THRESHOLD:g}): the "
            "questions are less varied than their number says"
        )
    if accepted:
        return
    found.problems += [
        Problem(
            "near_duplicate",
            second,
            f"{places[second]}: nearly the instruction of row {first} about the same record (ROUGE-L above {THRESHOLD:g}); "
            "remove one, or pass --accept near_duplicate once you looked",
        )
        for second, first in twice.items()
    ]
    found.asked = [question for question in asked if question.row not in twice]
