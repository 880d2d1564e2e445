"""Questions about the persons of an OMOP CDM 5.4 database, exported as CSV or Parquet.

The folder holds ``person``, ``concept`` and any of ``visit_occurrence``, ``condition_occurrence``, ``drug_exposure``,
``measurement``, ``observation``, ``procedure_occurrence`` and ``note``, and ``items.jsonl``: one object per line with ``id``,
``person_id``, ``question``, ``answer`` or ``answers`` and, where the record ends before its end, ``prediction_time``.

Events are shown as those of MEDS are. Only persons who are asked about are read and held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.meds.rendering import Lines, render
from ehrbench.readers.omop.events import Events, read_events
from ehrbench.readers.omop.tables import Table, find_table, need_table
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.readers.subject_questions import load_subject, questions_file, read_asked, subject_item

_RECORDS_HELD = 16


class Options(ReaderOptions):
    """``data.options`` of ``omop``."""

    file: str = "items.jsonl"
    """The questions below the folder."""
    meta: tuple[str, ...] = ()
    """Keys of the questions for scorers, strata and raters, which no prompt shows."""
    rendering: Literal["raw"] = "raw"
    """The one there is: docs/omop.md."""


def recognises(root: Path, options: Options) -> bool:
    """Whether a folder has the table of persons and the questions' file."""
    return find_table(root, "person") is not None and questions_file(root, options.file, "omop").is_file()


@reader(Options, recognises=recognises, meta=None)
def read(root: Path, options: Options) -> Dataset:
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


def lines_of(events: Events) -> Callable[[int], Lines]:
    """Renders a person's events when asked; the last few are held."""
    parts: Mapping[int, pl.DataFrame] = {key[0]: part for key, part in events.rows.group_by("subject_id", maintain_order=True)}

    @lru_cache(_RECORDS_HELD)
    def lines(person: int) -> Lines:
        rows = parts.get(person, events.rows.clear())
        return render(rows, events.meanings, events.modifiers).get(person, Lines("", (), None, ()))

    return lines
