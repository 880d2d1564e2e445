"""Ratings written in the release's own layout, so that whatever reads the release reads them."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import write_private_folder
from ehrbench.suites.medalign.layout import REVIEW_TABLE, find_layout

_FOLDER = "medalign"
_HEADER = (
    "instruction_id",
    "person_id",
    "model_name",
    "model_response",
    "binary_correct",
    "model_rank",
    "is_used_eval",
    "annotator_num",
)
_YES_NO = {True: "Yes", False: "No", None: ""}


def write_ratings(root: Path, out: Path, judgements: Sequence[Any]) -> list[Path]:
    """Write the table of reviewed answers, with the release's table of instructions beside it.

    What is written holds answers and gold answers: it is for this machine, as the release is, and readable by its owner only.

    Args:
        root: the release's folder.
        out: a data folder of its own; the tables go into ``medalign/`` below it.
        judgements: with ``item, group, system, answer, correct, rank, used, rater``.

    Raises:
        MissingError: the release's table of instructions is not there.
        UsageError: ``out`` holds such tables already.
    """
    gold = find_layout(root).gold
    if gold is None:
        raise MissingError(f"{root} has no table of instructions, which the ratings' layout needs beside them")
    folder = out / _FOLDER
    reviews = folder / f"{REVIEW_TABLE}.tsv"
    if reviews.exists() and reviews.parent.resolve() == gold.parent.resolve():
        raise UsageError(f"{reviews} belongs to the release; name another folder with --release")
    write_private_folder(folder)
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(_HEADER)
    for j in judgements:
        rank = "" if j.rank is None else f"{j.rank:g}"
        values = (j.item, j.group or "", j.system, j.answer or "", _YES_NO[j.correct], rank, _YES_NO[j.used], j.rater)
        table.writerow(values)
    reviews.write_text(text.getvalue(), encoding="utf-8", errors="replace", newline="")  # no file holds half a surrogate pair
    copied = folder / gold.name
    shutil.copyfile(gold, copied)
    for path in (reviews, copied):
        path.chmod(0o600)
    return [reviews, copied]
