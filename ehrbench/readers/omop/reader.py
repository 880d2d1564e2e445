"""Questions about the persons of an OMOP CDM 5.4 database, exported as CSV or Parquet.

The folder holds ``person``, ``concept`` and any of ``visit_occurrence``, ``condition_occurrence``, ``drug_exposure``,
``measurement``, ``observation``, ``procedure_occurrence`` and ``note``, and ``items.jsonl``: one object per line with ``id``,
``person_id``, ``question``, ``answer`` or ``answers`` and, where the record ends before its end, ``prediction_time``.

Events are shown as those of MEDS are. Only persons who are asked about are read and held.
"""

from __future__ import annotations

from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.events import lines_of
from ehrbench.readers.omop.events import read_events
from ehrbench.readers.omop.tables import Table, find_table, need_table
from ehrbench.readers.reader import reader
from ehrbench.readers.subject_questions import AskedOptions, load_subject, questions_file, read_asked, subject_item


def recognises(root: Path, options: AskedOptions) -> bool:
    """Whether a folder has the table of persons and the questions' file."""
    return find_table(root, "person") is not None and questions_file(root, options.file, "omop").is_file()


@reader(AskedOptions, recognises=recognises, meta=None)
def read(root: Path, options: AskedOptions) -> Dataset:
    """Open an OMOP database with its questions.

    Raises:
        MissingError: the persons, the concepts or the questions are not there.
        UsageError: a row is malformed or names a person whom the database does not have.
    """
    questions = questions_file(root, options.file, "omop")
    if not questions.is_file():
        raise MissingError(f"{questions} is not there: the questions about the OMOP database")
    known = known_persons(root)
    items = [subject_item(*asked, known, "OMOP database", options.meta, "person_id") for asked in read_asked(questions)]
    persons = sorted({int(item.group or 0) for item in items})
    events = read_events(root, persons)
    lines = lines_of(events)
    return Dataset(
        root=root,
        items=items,
        files=[*events.files, questions],
        load_record=lambda record_id: load_subject(record_id, lambda subject, until, name: lines(subject).record(name, until)),
        warnings=events.warnings,
        coverage=events.told.sentence(),
    )


def known_persons(root: Path) -> frozenset[int]:
    """Everybody in the table of persons.

    Raises:
        MissingError: there is no such table.
        UsageError: it is malformed.
    """
    table = Table(need_table(root, "person", "which says who the patients are"), ("person_id", "year_of_birth"))
    rows = table.rows(["person_id"], "person_id")
    if rows["person_id"].null_count():
        raise UsageError(f"OMOP: {table.path}: {rows['person_id'].null_count()} rows have no person_id")
    return frozenset(rows["person_id"])
