"""Answered items as metrics see them: predictions joined with their gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ehrbench.errors import UsageError
from ehrbench.metrics.metric import Scorable
from ehrbench.readers.item import Item
from ehrbench.results.schema import SCORED_OUTCOMES
from ehrbench.runs.prediction import Prediction
from ehrbench.tasks.schema import TaskSpec


def join(task: TaskSpec, items: Sequence[Item], predictions: Mapping[str, Prediction]) -> tuple[list[Scorable], list[str | None]]:
    """The scorable items in the dataset's order, and the group of each.

    An item whose answer could not be parsed, or whose thinking never ended, is scored as an empty answer; one without any answer
    (``overflow``, ``api_error``, ``refused``) is not scored and counts in the other denominator.

    Raises:
        UsageError: an item has no prediction.
    """
    absent = [item.id for item in items if item.id not in predictions]
    if absent:
        raise UsageError(f"{len(absent)} items have no prediction (first: {absent[0]}); run the same `ehrbench run` again")
    scorables = []
    groups: list[str | None] = []
    for item in items:
        prediction = predictions[item.id]
        if prediction.outcome in SCORED_OUTCOMES:
            scorables.append(scorable(task, item, prediction))
            groups.append(item.group)
    return scorables, groups


def scorable(task: TaskSpec, item: Item, prediction: Prediction) -> Scorable:
    """One answered item as the task's metrics see it."""
    return Scorable(
        item=item.id,
        answer=prediction.answer or "",
        references=item.references[:1] if task.references == "first" else item.references,
        labels=item.labels,
        choices=item.choices,
        question=item.question,
        probabilities=prediction.probabilities,
        meta=item.meta,
    )
