"""EHRSHOT's labels: what of them counts as yes, and which training labels a k-shot sample has (docs/ehrshot.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from ehrbench.errors import UsageError

Task = Literal[
    "guo_los", "guo_readmission", "guo_icu",
    "lab_thrombocytopenia", "lab_hyperkalemia", "lab_hypoglycemia", "lab_hyponatremia", "lab_anemia",
    "new_hypertension", "new_hyperlipidemia", "new_pancan", "new_celiac", "new_lupus", "new_acutemi",
    "chexpert",
]  # fmt: skip
FINDINGS = (
    "no_finding", "enlarged_cardiomediastinum", "cardiomegaly", "lung_lesion", "lung_opacity", "edema", "consolidation",
    "pneumonia", "atelectasis", "pneumothorax", "pleural_effusion", "pleural_other", "fracture", "support_devices",
)  # fmt: skip
"""CheXpert's, in the order of the bits of a label of ``chexpert``: the first is the highest."""
MAX_SHOTS = 128
"""The largest k of the benchmark: smaller samples are its beginnings."""


def is_positive(task: Task, finding: str | None, rows: pl.DataFrame, kind: str) -> pl.Series:
    """Whether each label counts as yes: laboratory results of any severity (1 to 3), a finding whose bit is set.

    Args:
        task: whose labels.
        finding: the one that ``chexpert`` is asked about.
        rows: labels as ``label_rows`` gives them.
        kind: the column of their values.

    Raises:
        UsageError: the values are not those of the task.
    """
    binary = task.startswith(("guo_", "new_"))
    expected = "boolean_value" if binary else "integer_value"
    if kind != expected:
        raise UsageError(f"{rows['place'][0]} has values in {kind}; the labels of {task} are in {expected}")
    if binary:
        return rows[kind]
    top = 2 ** len(FINDINGS) - 1 if task == "chexpert" else 3
    strange = rows.filter(~pl.col(kind).is_between(0, top))
    if strange.height:
        raise UsageError(
            f"{strange['place'][0]}: row {strange['row'][0]}: integer_value is not from 0 to {top}, as labels of {task} are"
        )
    if task != "chexpert":
        return rows[kind] >= 1
    bit = len(FINDINGS) - 1 - FINDINGS.index(finding or "")
    return rows.select(pl.col(kind).cast(pl.Int64) // 2**bit % 2 == 1).to_series()


def draw_shots(positive: Sequence[bool], k: int, replicate: int) -> list[int]:
    """Places of the benchmark's k-shot sample among training labels: ``k`` of each class, fewer where a class has fewer.

    The benchmark draws 128 of each class with the replicate's number as numpy's old seed, anew for each class, and takes the
    first ``k``. Where a class has fewer, it repeats some; here none is shown twice.

    Args:
        positive: the training labels, by patient and time.
        k: of each class, at most ``MAX_SHOTS``.
        replicate: which sample, from 0.
    """
    labels = np.asarray(positive, dtype=bool)
    chosen: list[int] = []
    for which in (False, True):
        places = np.flatnonzero(labels == which)
        if len(places):
            draw = np.random.RandomState(replicate).choice(places, size=min(len(places), MAX_SHOTS), replace=False)
            chosen += draw[:k].tolist()
    return chosen
