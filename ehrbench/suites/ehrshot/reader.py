"""EHRSHOT as a MEDS data set: its MEDS release, or what ``ehrbench data prepare ehrshot`` makes of the original one.

The folder holds ``data/``, ``metadata/subject_splits.parquet`` and ``labels/<task>/``; ``CONCEPT.csv`` beside them names codes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from ehrbench.errors import MissingError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.meds.labels import find_labels, label_rows, read_splits
from ehrbench.readers.meds.reader import VERSION
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.readers.subject_questions import load_subject
from ehrbench.suites.ehrshot.labels import FINDINGS, MAX_SHOTS, Task, draw_shots, is_positive

CONCEPTS = "CONCEPT.csv"
PREPARE = "place the MEDS release there, or make the folder with `ehrbench data prepare ehrshot --assets DIR`"
SPLITS = {"train": "train", "val": "tuning", "test": "held_out"}
"""The benchmark's names of its parts, and MEDS's."""


class Options(ReaderOptions):
    """``data.options`` of ``ehrshot``."""

    task: Task
    question: str
    """What is asked about each label."""
    finding: str | None = None
    """Of ``chexpert``: which of the 14 findings is asked about."""
    split: Literal["test", "val", "train", "all"] = "test"
    shots: int = Field(MAX_SHOTS, ge=1, le=MAX_SHOTS)
    """Worked examples come from the benchmark's sample of so many training labels of each class."""
    replicate: int = Field(0, ge=0)
    """Which of the benchmark's samples; it has five."""
    rendering: Literal["raw"] = "raw"

    @model_validator(mode="after")
    def _one_finding(self) -> Options:
        if (self.task == "chexpert") != (self.finding in FINDINGS):
            raise ValueError(f"data.options.finding of ehrshot belongs to task chexpert and is one of {', '.join(FINDINGS)}")
        return self


def recognises(root: Path, options: Options) -> bool:
    """Whether a folder holds EHRSHOT as MEDS, with the labels of the task."""
    return (root / "data").is_dir() and bool(find_labels(root, f"labels/{options.task}"))


@reader(Options, recognises=recognises)
def read(root: Path, options: Options) -> Dataset:
    """Open one task.

    Raises:
        MissingError: the events, the labels or the split are not there.
        UsageError: a file is malformed, or a label is none of the task's.
    """
    name = f"labels/{options.task}"
    if not find_labels(root, name):
        raise MissingError(f"{root / name} has no Parquet file; {PREPARE}")
    data = open_meds(root, (CONCEPTS,) if (root / CONCEPTS).is_file() else ())
    rows, kind, files, warnings = label_rows(root, name, data.block_of)
    split_of, splits = read_splits(root)
    rows = (
        rows.with_columns(
            is_positive(options.task, options.finding, rows, kind).alias("positive"),
            split=pl.col("subject_id").replace_strict(split_of, default=None, return_dtype=pl.String),
        )
        .sort("subject_id", "prediction_time", kind, maintain_order=True)
        .with_columns(again=pl.int_range(1, pl.len() + 1).over("subject_id", "prediction_time"))
    )
    if rows["split"].null_count():
        lost = rows.filter(pl.col("split").is_null())
        warnings.append(f"{splits}: {lost.height} of {rows.height} labels are about subjects of no split; they are not asked")
    asked = rows if options.split == "all" else rows.filter(pl.col("split") == SPLITS[options.split])
    if not asked.height:
        raise MissingError(f"{root / name}: no label is about a patient of the split '{options.split}'; name another split")
    examples: list[Item] = []
    if options.split not in ("train", "all"):
        training = rows.filter(pl.col("split") == SPLITS["train"])
        shots = draw_shots(training["positive"].to_list(), options.shots, options.replicate)
        examples = _items(training[shots], options.question)
    order = {subject: at for at, subject in enumerate(data.block_of)}
    return Dataset(
        root=root,
        items=sorted(_items(asked, options.question), key=lambda item: order[int(item.group or 0)]),
        files=[*data.files, *files, splits],
        load_record=lambda record_id: load_subject(record_id, data.record),
        warnings=[*data.warnings, *warnings, *data.told.shortcomings(f"lay OMOP's {CONCEPTS}, from Athena, into the folder")],
        coverage=data.told.sentence(),
        examples=examples,
        version=VERSION,
    )


def _items(rows: pl.DataFrame, question: str) -> list[Item]:
    """An item for each label; several of one patient at one time are counted."""
    columns = ("subject_id", "prediction_time", "again", "positive")
    items = []
    for subject, time, again, positive in rows.select(columns).iter_rows():
        record = f"{subject}@{time.isoformat()}"
        items.append(
            Item(
                id=record if again == 1 else f"{record}.{again}",
                question=question,
                record_id=record,
                references=("yes" if positive else "no",),
                choices=("yes", "no"),
                group=str(subject),
            )
        )
    return items
