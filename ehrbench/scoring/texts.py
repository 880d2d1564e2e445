"""One metric over texts that one has: no task, no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.metrics.metric import Metric, Scorable
from ehrbench.results.schema import MetricResult
from ehrbench.scoring.score import resolve, score


class TextScores(NamedTuple):
    """What a metric says of some answers."""

    value: float | None
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    items: list[float | None]
    """The score of each answer; None where the metric is undefined for it."""
    result: MetricResult
    """With the interval's kind, the signature and the notes."""


class TextMetric:
    """A metric, ready to score; made by ``metric``."""

    def __init__(self, metric: Metric) -> None:
        """Wrap a metric that is available on this machine."""
        self.metric = metric

    def score(
        self, answers: Sequence[str], references: Sequence[str | Sequence[str]], groups: Sequence[str] | None = None
    ) -> TextScores:
        """Score answers against gold answers.

        Args:
            answers: one text per item.
            references: one gold answer per item, or several that are alternatives of one another.
            groups: the patient of each item, where several items are of one: intervals draw patients then.

        Raises:
            UsageError: the lists differ in length, or the metric needs more than an answer and references.
        """
        name = self.metric.name
        if further := self.metric.needs - {"reference"}:
            raise UsageError(f"metric '{name}' needs {' and '.join(sorted(further))}; score a run with it (ehrbench.evaluate)")
        if not len(answers) == len(references) == len(groups if groups is not None else answers):
            raise UsageError(
                f"{len(answers)} answers, {len(references)} references"
                + (f", {len(groups)} groups" if groups is not None else "")
                + ": expected as many of each"
            )
        scorables = [
            Scorable(str(number), answer, (gold,) if isinstance(gold, str) else tuple(gold))
            for number, (answer, gold) in enumerate(zip(answers, references, strict=True))
        ]
        made = score(self.metric, scorables, list(groups) if groups is not None else [None] * len(answers), len(answers))
        items = [None if one is None else self.metric.item_score(one) for one in made.statistics]
        return TextScores(made.result.value, made.result.low, made.result.high, items, made.result)


def metric(name: str, arguments: Mapping[str, str] | None = None) -> TextMetric:
    """A metric by name: ``metric("rouge_l").score(answers, references)``.

    Args:
        name: as `ehrbench metrics list` has it.
        arguments: of metrics that take some (``{"bertscore.checkpoint": PATH}``).

    Raises:
        UsageError: no such metric, or a wrong argument.
        MissingError: it cannot be computed on this machine; the message says what is missing.
    """
    found = resolve(name, arguments)
    if reason := found.unavailable():
        raise MissingError(reason)
    return TextMetric(found)
