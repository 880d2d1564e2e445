"""Predictions in the schema that ``meds-evaluation`` reads, and its numbers beside ours.

A row is ``subject_id, prediction_time, boolean_value, predicted_boolean_value, predicted_boolean_probability``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from ehrbench.errors import UsageError
from ehrbench.exports.formats import refuse_existing
from ehrbench.jsonl import write_atomically
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.stats.aggregate import AGGREGATES

SCHEMA = pl.Schema(
    {
        "subject_id": pl.Int64(),
        "prediction_time": pl.Datetime("us"),
        "boolean_value": pl.Boolean(),
        "predicted_boolean_value": pl.Boolean(),
        "predicted_boolean_probability": pl.Float32(),
    }
)
_SCORES = {"AUROC": "auroc", "average precision": "auprc", "Brier": "brier"}
"""Names of scores to aggregates of (label, probability)."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    n: int
    n_unanswered: int
    """Items without a probability, which are not in the file."""
    per_item: dict[str, float]
    """AUROC, average precision and Brier score, each item counting the same."""
    per_subject: dict[str, float]
    """The same, each subject counting the same. ``meds-evaluation`` draws items of each subject for it; here they are weighed."""


def export_predictions(run: LoadedRun, out: Path, *, force: bool = False) -> Exported:
    """Write a run's predictions; private, as they name subjects and times.

    Raises:
        UsageError: the run is not about MEDS labels that are true or false, or gave no probabilities; or ``out`` is there.
    """
    refuse_existing(out, force)
    rows = []
    for item in run.items:
        subject, _, time = (item.record_id or "").partition("@")
        if not subject.isdecimal() or not time or {choice.casefold() for choice in item.choices} != {"yes", "no"}:
            raise UsageError(
                f"task '{run.task.task}', item {item.id}: it is not a label of a MEDS subject at a time with the answers yes and "
                "no, so it has no row in meds-evaluation's schema"
            )
        prediction = run.predictions[item.id]
        if prediction.probabilities is None:
            continue
        by_choice = {choice.casefold(): p for choice, p in prediction.probabilities.items()}
        label = item.references[0].casefold() == "yes"
        rows.append((int(subject), datetime.fromisoformat(time), label, by_choice["yes"] > by_choice["no"], by_choice["yes"]))
    if not rows:
        raise UsageError(f"{run.folder.path}: no item has a probability; run a task with output: choice_probabilities")
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, buffer.getvalue())
    _, position, counts = np.unique(frame["subject_id"].to_numpy(), return_inverse=True, return_counts=True)
    per_item, per_subject = _measured(frame, np.stack([np.ones(len(rows)), 1 / counts[position]]))
    return Exported(out, len(rows), len(run.items) - len(rows), per_item, per_subject)


def _measured(frame: pl.DataFrame, weights: np.ndarray) -> list[dict[str, float]]:
    """Each score that is defined, under each row of weights [B, n]."""
    statistics = frame.select("boolean_value", "predicted_boolean_probability").cast(pl.Float64).to_numpy()
    values = {name: AGGREGATES[aggregate](statistics, weights) for name, aggregate in _SCORES.items()}
    return [{name: float(value[k]) for name, value in values.items() if np.isfinite(value[k])} for k in range(len(weights))]
