"""What refinement did to the answers: at which part of the record they changed, and whether for the better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ehrbench.metrics.metric import Metric
from ehrbench.readers.item import Item
from ehrbench.results.schema import SCORED_OUTCOMES
from ehrbench.runs.chains import read_outcome
from ehrbench.runs.prediction import Prediction, Step
from ehrbench.scoring.compute import compute
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.scoring.scorables import scorable
from ehrbench.scoring.score import item_score, resolve
from ehrbench.scoring.sources import with_sources
from ehrbench.stats.estimate import Estimate, estimate
from ehrbench.tasks.answers import clean
from ehrbench.tasks.schema import TaskSpec

PARTS = (2, 3, 4, 5, 9, 17)
"""Parts of the record at which a row of the table begins."""


class Revision(NamedTuple):
    """What some parts of the records did."""

    part: str
    """Which: "2", "5 to 8"; "first to last" for whole chains."""
    n: int
    """Answers before and after that both have a score."""
    changed: int
    better: int
    worse: int
    change: Estimate
    """Of the score, mean over all n; positive is better."""


class _Move(NamedTuple):
    step: int
    """The part (from 1) that was shown in between; 0: whole chain."""
    changed: bool
    gain: float
    group: str | None


def revisions(run: LoadedRun, name: str) -> list[Revision]:
    """One row per part of the records, and one from the first answer to the last; empty where no record was shown in parts.

    Every answer on the way is cleaned and scored as if it were the last.

    Args:
        run: with its data.
        name: a metric that scores single items.

    Raises:
        EhrbenchError: the metric cannot be computed here, or failed.
    """
    metric = resolve(name)
    if run.task.output == "choice_probabilities" or metric.aggregate != "mean":
        return []
    moves = _moves(run, metric)
    rows = []
    for start, end in zip(PARTS, [*PARTS[1:], None], strict=True):
        own = [move for move in moves if move.step >= start and (end is None or move.step < end)]
        label = f"{start} and later" if end is None else f"{start}" if end == start + 1 else f"{start} to {end - 1}"
        rows += [_row(label, own)] if own else []
    whole = [move for move in moves if not move.step]
    return [*rows, *([_row("first to last", whole)] if whole else [])]


def _moves(run: LoadedRun, metric: Metric) -> list[_Move]:
    items = {item.id: item for item in run.items}
    chains = {
        prediction.item: [_as_if_last(run.task, items[prediction.item], prediction, step) for step in prediction.steps]
        for prediction in run.predictions.values()
        if prediction.item in items and len(prediction.steps) > 1
    }
    places = [(id_, k) for id_, chain in chains.items() for k, one in enumerate(chain) if one.outcome in SCORED_OUTCOMES]
    asked = [scorable(run.task, items[id_], chains[id_][k]) for id_, k in places]
    statistics = compute(metric, with_sources(metric, asked, run))
    sign = 1 if metric.higher_is_better else -1
    scores = {
        place: sign * score
        for place, one in zip(places, statistics, strict=True)
        if one is not None and (score := item_score(metric, one)) is not None
    }
    moves = []
    for id_, chain in chains.items():
        last = len(chain) - 1
        for step, before, after in [*((k + 1, k - 1, k) for k in range(1, last + 1)), (0, 0, last)]:
            if (id_, before) in scores and (id_, after) in scores:
                gain = scores[id_, after] - scores[id_, before]
                moves.append(_Move(step, chain[before].answer != chain[after].answer, gain, items[id_].group))
    return moves


def _as_if_last(task: TaskSpec, item: Item, prediction: Prediction, step: Step) -> Prediction:
    outcome, answer = read_outcome(step, lambda text: clean(text, item, task.answer))
    return replace(prediction, outcome=outcome, answer=answer)


def _row(part: str, moves: Sequence[_Move]) -> Revision:
    gains = [move.gain for move in moves]
    change = estimate(gains, [move.group for move in moves], "mean", unit="patients")
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return Revision(part, len(moves), sum(move.changed for move in moves), better, worse, change)
