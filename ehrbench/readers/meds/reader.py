"""Questions about the subjects of a MEDS data set, from a JSONL file or from MEDS's own label files.

The folder holds the data set (``data/``, ``metadata/``) and ``items.jsonl``: an object a line with ``id``, ``subject_id``,
``question``, ``answer`` or ``answers``, and, where the record ends before its end, ``prediction_time``. With
``data.options.labels`` a label file (Parquet with ``subject_id, prediction_time, boolean_value``) is asked about in one
``question`` and answered with yes or no.

Times that have a zone, in the data or as a ``prediction_time``, are put into UTC; those without one are taken for UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import model_validator

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.meds.extract import Meds, open_meds
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.records.record import Record


class Options(ReaderOptions):
    """``data.options`` of ``meds``."""

    file: str = "items.jsonl"
    """The questions below the folder."""
    labels: str | None = None
    """A label file below the folder, in place of questions."""
    question: str | None = None
    """What is asked about each label."""
    rendering: Literal["raw"] = "raw"

    @model_validator(mode="after")
    def _labels_are_asked_about(self) -> Options:
        if self.labels is not None and not self.question:
            raise ValueError("data.options.labels of meds needs data.options.question: what is asked about each label")
        return self


def recognises(root: Path, options: Options) -> bool:
    """Whether a folder has MEDS shards and the questions' file."""
    return (root / "data").is_dir() and _path(root, options).is_file()


@reader(Options, recognises=recognises)
def read(root: Path, options: Options) -> Dataset:
    """Open a MEDS data set with its questions.

    Raises:
        MissingError: the data set or the questions are not there.
        UsageError: a row is malformed or names a subject whom the data set does not have.
    """
    path = _path(root, options)
    if not path.is_file():
        raise MissingError(f"{path} is not there: the questions about the MEDS data set")
    data = open_meds(root)
    rows = _labelled(path, options.question) if options.labels and options.question else _asked(path)
    items = [_item(place, row, data) for place, row in rows]
    return Dataset(root=root, items=items, files=[path, *data.files], load_record=lambda record_id: _load(data, record_id))


def _path(root: Path, options: Options) -> Path:
    name = options.labels or options.file
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"data.options of meds name '{name}', which leads out of the data folder")
    return path


def _load(data: Meds, record_id: str) -> Record:
    subject, _, until = record_id.partition("@")
    record = data.record(int(subject), datetime.fromisoformat(until) if until else None)
    return Record(record_id, record.text, record.entries)


def _asked(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
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


def _labelled(path: Path, question: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"{path} is not a readable Parquet file ({type(error).__name__}); copy it again") from None
    if missing := [c for c in ("subject_id", "prediction_time", "boolean_value") if c not in rows.columns]:
        raise UsageError(f"{path} has no column {', '.join(map(repr, missing))}; it is no MEDS label file with truth values")
    for number, row in enumerate(rows.iter_rows(named=True), 1):
        if row["boolean_value"] is None:
            raise UsageError(f"{path}: row {number} has no boolean_value; only labels that are true or false can be asked about")
        if row["prediction_time"] is None:
            raise UsageError(
                f"{path}: row {number} has no prediction_time, and without one the record would show what came later; leave the "
                "row out or fill it in"
            )
        answer = "yes" if row["boolean_value"] else "no"
        about = {"subject_id": row["subject_id"], "prediction_time": str(row["prediction_time"])}
        yield (
            f"{path}: row {number}",
            about | {"id": str(number), "question": question, "answers": [answer], "choices": ["yes", "no"]},
        )


def _in_utc(moment: datetime) -> datetime:
    """A time without its zone, which is UTC."""
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)


def _item(place: str, row: Mapping[str, Any], data: Meds) -> Item:
    subject, until = row.get("subject_id"), row.get("prediction_time")
    if not isinstance(subject, int) or subject not in data.shard_of:
        raise UsageError(f"{place}: 'subject_id' is no subject of the MEDS data set")
    if until is not None:
        try:
            until = _in_utc(datetime.fromisoformat(str(until).replace("Z", "+00:00"))).isoformat()
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
    )
