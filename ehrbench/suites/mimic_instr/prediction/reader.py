"""The clinical prediction benchmark, from the folder that ``ehrbench data prepare mimic_prediction`` builds.

A generative model answers with P(yes), so an item is one admission and one yes/no question; ``diagnosis`` asks about each of the
25 phenotypes of an admission in turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.suites.mimic_instr.reader import EventLists, jsonl_rows

PREPARE = "build the folder with `ehrbench data prepare mimic_prediction --mimic DIR`"
QUESTIONS: Mapping[str, str] = {
    "mortality": "Will the patient die during this hospital stay?",
    "los": "Will the patient's hospital stay be longer than {days} days?",
    "readmission": "Will the patient be admitted to a hospital again within 14 days of discharge?",
    "diagnosis": "Does the patient have the following condition: {phenotype}?",
}
"""Ours: the paper's models end in a linear layer and are asked nothing."""


class Options(ReaderOptions):
    """``data.options`` of ``mimic_prediction``."""

    task: Literal["mortality", "los", "readmission", "diagnosis"]
    split: Literal["test", "val", "train", "all"] = "test"
    rendering: Literal["raw"] = "raw"


@reader(
    Options,
    recognises=lambda root, options: (root / f"{options.task}.jsonl").is_file(),
    meta=("phenotype", "label_class"),
)
def read(root: Path, options: Options) -> Dataset:
    """Open one task of a prepared folder.

    Raises:
        MissingError: the folder was not prepared, or has no such task or split.
        UsageError: a row is malformed, or its admission has no event list.
    """
    task, split = options.task, options.split
    path, manifest_path = root / f"{task}.jsonl", root / "manifest.json"
    for file in (manifest_path, path):
        if not file.is_file():
            hint = "; the phenotypes need AHRQ's CCS files (--ccs)" if task == "diagnosis" else ""
            raise MissingError(f"{file} is not there; {PREPARE}{hint}")
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    rows = [(place, row) for place, row in jsonl_rows(path) if split in ("all", row.get("split"))]
    if not rows:
        raise MissingError(f"{path}: no admission in the split '{split}'; name another split, or {PREPARE} with more patients")
    lists = EventLists(root / str(rows[0][1].get("records")))
    return Dataset(
        root=root,
        items=[item for place, row in rows for item in _items(place, row, task, manifest, lists)],
        files=[*lists.files, path],
        load_record=lists.load,
        open_data=bool(manifest.get("open_data")),
    )


def _items(place: str, row: Mapping[str, Any], task: str, manifest: Mapping[str, Any], lists: EventLists) -> Iterator[Item]:
    try:
        hadm, subject, label = int(row["hadm_id"]), str(row["subject_id"]), row["label"]
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{place}: expected hadm_id, subject_id and label; {PREPARE} again") from None
    if hadm not in lists.where:
        raise UsageError(f"{place}: admission {hadm} has no event list; {PREPARE} again")
    if task != "diagnosis":
        days = f"{manifest['options']['long_stay_hours'] / 24:g}"
        yield _item(f"{task}-{hadm}", QUESTIONS[task].format(days=days), hadm, subject, label, {})
        return
    for number, present in label.items():
        phenotype = manifest["phenotypes"][number]
        question = QUESTIONS[task].format(phenotype=phenotype)
        yield _item(
            f"{task}-{hadm}-{number}", question, hadm, subject, present, {"phenotype": phenotype, "label_class": int(number)}
        )


def _item(id_: str, question: str, hadm: int, subject: str, label: object, meta: dict[str, Any]) -> Item:
    return Item(
        id=id_,
        question=question,
        record_id=str(hadm),
        references=("yes" if label else "no",),
        choices=("yes", "no"),
        group=subject,
        meta=meta,
    )
