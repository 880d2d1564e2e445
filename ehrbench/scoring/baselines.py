"""What the most common gold answer scores, item by item through the same clean-ups and metrics: the line beside a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ehrbench.metrics.metric import Metric, Scorable
from ehrbench.readers.item import Item, gold_class
from ehrbench.scoring.compute import compute
from ehrbench.stats.majority import majority
from ehrbench.tasks.answers import clean
from ehrbench.tasks.schema import TaskSpec


def constant_answers(task: TaskSpec, items: Sequence[Item], scorables: Sequence[Scorable]) -> list[Scorable]:
    """The scorable items as if the model had answered the most common gold to each; empty where no item has a gold."""
    by_id = {item.id: item for item in items}
    classes = [gold_class(item) for item in items if item.labels or item.references]
    if not classes:
        return []
    answer, _ = majority(classes)
    return [replace(one, answer=clean(answer, by_id[one.item], task.answer) or "", probabilities=None) for one in scorables]


def baseline_value(metric: Metric, answered: Sequence[Scorable]) -> float | None:
    """The value of a metric over the constant answers; None where it is not defined for them."""
    from ehrbench.stats.aggregate import AGGREGATES

    if "probabilities" in metric.needs:
        return None
    statistics = [s for s in compute(metric, answered, processes=1) if s is not None]
    if not statistics:
        return None
    value = float(AGGREGATES[metric.aggregate](np.asarray(statistics, dtype=float), np.ones((1, len(statistics))))[0])
    return None if np.isnan(value) else value
