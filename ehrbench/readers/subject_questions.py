"""Questions about the subjects of a data set, one JSON object per line: the readers of data sets share them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ehrbench.errors import UsageError
from ehrbench.jsonl import parse
from ehrbench.readers.item import Item
from ehrbench.readers.reader import ReaderOptions
from ehrbench.records.record import Record


class AskedOptions(ReaderOptions):
    """``data.options`` of a reader whose folder has a file of questions."""

    file: str = "items.jsonl"
    """The questions below the folder."""
    meta: tuple[str, ...] = ()
    """Keys of the questions for scorers, strata and raters, which no prompt shows."""
    rendering: Literal["raw"] = "raw"
    """The one there is: docs/meds.md."""


def questions_file(root: Path, name: str, reader: str) -> Path:
    """The file of questions that ``data.options.file`` names.

    Raises:
        UsageError: it leads out of ``root``.
    """
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"data.options of {reader} name '{name}', which leads out of the data folder")
    return path


def load_subject(record_id: str, load: Callable[[int, datetime | None, str], Record]) -> Record:
    """The record that an item of ``subject_item`` names, of a subject with a number."""
    return load_named(record_id, lambda name, until, record: load(int(name), until, record))


def load_named(record_id: str, load: Callable[[str, datetime | None, str], Record]) -> Record:
    """The same of a subject with any name that has no ``@``."""
    subject, _, until = record_id.partition("@")
    return load(subject, datetime.fromisoformat(until) if until else None, record_id)


def read_asked(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each question with its file and line, its golds under ``answers``.

    Raises:
        UsageError: a line is not a question with a gold.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = parse(line.decode("utf-8-sig"))
            except ValueError:
                row = None
            if not isinstance(row, dict) or not all(isinstance(row.get(key), str) and row[key] for key in ("id", "question")):
                raise UsageError(f"{path}:{number}: expected an object with the texts 'id' and 'question'")
            answers = row.get("answers", row.get("answer"))
            answers = [answers] if isinstance(answers, str) else answers
            if not isinstance(answers, list) or not answers or not all(isinstance(answer, str) for answer in answers):
                raise UsageError(
                    f"{path}:{number}: expected the gold as a text under 'answer' or a list of texts under 'answers'"
                )
            yield f"{path}:{number}", {**row, "answers": answers}


def in_utc_without_zone(moment: datetime) -> datetime:
    """A time without its zone, which is UTC."""
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)


def subject_item(
    place: str, row: Mapping[str, Any], known: Container[Any], data_set: str, meta: Sequence[str], key: str = "subject_id"
) -> Item:
    """A question as an item, whose record ends at its ``prediction_time``.

    Args:
        place: file and line.
        row: the question.
        known: the subjects that there are.
        data_set: what they are the subjects of, for messages.
        meta: keys that no prompt shows.
        key: the key that names the subject.

    Raises:
        UsageError: the subject is unknown, or the time is none.
    """
    subject, until = row.get(key), row.get("prediction_time")
    if not isinstance(subject, (int, str)) or subject not in known:
        raise UsageError(f"{place}: '{key}' is not a subject of the {data_set}")
    if until is not None:
        try:
            until = in_utc_without_zone(datetime.fromisoformat(str(until).replace("Z", "+00:00"))).isoformat()
        except ValueError:
            raise UsageError(
                f"{place}: 'prediction_time' is not a time (YYYY-MM-DDThh:mm:ss, with or without an offset)"
            ) from None
    return Item(
        id=row["id"],
        question=row["question"],
        record_id=f"{subject}@{until}" if until else str(subject),
        references=tuple(row["answers"]),
        choices=tuple(row.get("choices") or ()),
        group=str(subject),
        meta={key: row[key] for key in meta if key in row},
    )
