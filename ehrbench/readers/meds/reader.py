"""Questions about the subjects of a MEDS data set, from a JSONL file or from MEDS's own label files.

The folder holds the data set (``data/``, ``metadata/``) and ``items.jsonl``: one object per line with ``id``, ``subject_id``,
``question``, ``answer`` or ``answers``, and, where the record ends before its end, ``prediction_time``. With
``data.options.labels`` label files are asked about in one ``question``: truth values with yes or no, categories by name, numbers
as they are.

Times that have a zone, in the data or as a ``prediction_time``, are put into UTC; those without one are taken for UTC.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.meds.labels import Labels, find_labels, read_labels, read_splits
from ehrbench.readers.reader import reader
from ehrbench.readers.subject_questions import AskedOptions, load_subject, questions_file, read_asked, subject_item

_ADVICE = "name files that describe them in data.options.dictionaries"
TRAINING = "train"
"""The part of a data set that worked examples are drawn from."""

VERSION = 4
"""Of the rendering. In 1 a code's description stood in the code's place; in 2 an event's line told when it would end; 3 did not
know births by OMOP's codes, and put a drug's number behind its name as if it were a dose."""


class Options(AskedOptions):
    """``data.options`` of ``meds``."""

    labels: str | None = None
    """A label file, a folder of them or a pattern (``labels/mortality/*/*.parquet``) below the folder, in place of questions."""
    question: str | None = None
    """What is asked about each label."""
    split: str | None = None
    """The part of ``metadata/subject_splits.parquet`` that is asked about; worked examples then come from ``train``."""
    dictionaries: tuple[str, ...] = ()
    """Files below the folder that name codes: OMOP's ``CONCEPT.csv``, or columns ``code, description, unit``."""
    modifiers: tuple[str, ...] | None = None
    """Columns that are shown with each event; None: what ``metadata/dataset.json`` names, else the usual ones."""

    @model_validator(mode="after")
    def _labels_are_asked_about(self) -> Options:
        if self.labels is not None and not self.question:
            raise ValueError("data.options.labels of meds needs data.options.question: what is asked about each label")
        return self


def recognises(root: Path, options: Options) -> bool:
    """Whether a folder has MEDS shards and the questions' file."""
    if not (root / "data").is_dir():
        return False
    return bool(find_labels(root, options.labels)) if options.labels else questions_file(root, options.file, "meds").is_file()


@reader(Options, recognises=recognises, meta=None)
def read(root: Path, options: Options) -> Dataset:
    """Open a MEDS data set with its questions.

    Raises:
        MissingError: the data set, the questions or a file that the options name are not there.
        UsageError: a row is malformed or names a subject whom the data set does not have.
    """
    questions = questions_file(root, options.file, "meds")
    if options.labels is None and not questions.is_file():
        raise MissingError(f"{questions} is not there: the questions about the MEDS data set")
    data = open_meds(root, options.dictionaries, options.modifiers)
    warnings = [*data.warnings, *data.told.shortcomings(_ADVICE)]
    files = data.files
    if options.labels is not None and options.question is not None:
        labels = read_labels(root, options.labels, data.block_of)
        items = [_labelled(label.id, label.subject, label.answer, options.question, labels) for label in labels.rows]
        files += labels.files
        warnings += labels.warnings
    else:
        items = [subject_item(*asked, data.block_of, "MEDS data set", options.meta) for asked in read_asked(questions)]
        files.append(questions)
    examples: list[Item] | None = [] if options.labels is not None else None
    if options.split is not None:
        split_of, path = read_splits(root)
        files.append(path)
        every, items = items, [item for item in items if split_of.get(_subject(item)) == options.split]
        if not items:
            names = ", ".join(sorted(set(split_of.values())))
            raise UsageError(f"{path}: no question is about a subject of the split '{options.split}'; the splits are {names}")
        if options.split != TRAINING:
            examples = [item for item in every if split_of.get(_subject(item)) == TRAINING]
    return Dataset(
        root=root,
        items=items,
        files=files,
        load_record=lambda record_id: load_subject(record_id, data.record),
        warnings=warnings,
        coverage=data.told.sentence(),
        examples=examples,
        version=VERSION,
    )


def _subject(item: Item) -> int:
    return int(item.group or 0)


def _labelled(label_id: str, subject: int, answer: str, question: str, labels: Labels) -> Item:
    return Item(
        id=label_id,
        question=question,
        record_id=label_id,
        references=(answer,),
        choices=labels.choices,
        group=str(subject),
    )
