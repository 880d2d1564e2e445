"""Scores and intervals: metrics run over answered items, their statistics aggregated with resampling by patient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ehrbench.metrics import METRICS
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.results.schema import MAX_RANGE, MetricResult

RESAMPLES = 10_000
SEED = 0
MIN_STRATUM_GROUPS = 11
"""Subsets with fewer patients are never published."""


class Scored(NamedTuple):
    """One metric over the answered items."""

    metric: Metric
    statistics: Sequence[Statistics | None]
    """In the order of the scorables; None where undefined."""
    result: MetricResult


def resolve(name: str, arguments: Mapping[str, str] | None = None) -> Metric:
    """The metric of that name under the arguments (``{"comet.checkpoint": PATH}``).

    Raises:
        UsageError: no such metric, or an argument with an illegal value.
    """
    metric = METRICS.get(name)
    return metric if metric.configure is None else metric.configure(arguments or {})


def missing(name: str, arguments: Mapping[str, str] | None = None) -> str | None:
    """Why a metric cannot be computed on this machine; None when it can."""
    return resolve(name, arguments).unavailable()


def score(
    metric: Metric,
    scorables: Sequence[Scorable],
    groups: Sequence[str | None],
    n_items: int,
    *,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Scored:
    """Score with one metric.

    Args:
        metric: which is available on this machine.
        scorables: the answered items.
        groups: the resampling unit of each.
        n_items: all items, with and without an answer.
        processes: worker processes; None: as many as there are cores, when the work is worth them.
        progress: told how many items are done.
    """
    from ehrbench.scoring.compute import compute_noted

    statistics, notes = compute_noted(metric, scorables, processes=processes, progress=progress)
    if notes:
        metric = replace(metric, note="; ".join(filter(None, (metric.note, *notes))))
    return Scored(metric, statistics, summarise(metric, statistics, groups, n_items))


def summarise(
    metric: Metric, statistics: Sequence[Statistics | None], groups: Sequence[str | None], n_items: int
) -> MetricResult:
    """The number of a metric with its interval, from the items' statistics."""
    from ehrbench.stats.estimate import estimate

    defined = [(s, g) for s, g in zip(statistics, groups, strict=True) if s is not None]
    common: dict[str, Any] = {
        "name": metric.name,
        "label": metric.label,
        "n": len(defined),
        "n_undefined": len(statistics) - len(defined),
        "range": metric.range if metric.bounded else _span(metric, [s for s, _ in defined]),
        "higher_is_better": metric.higher_is_better,
        "signature": metric.signature(),
        "note": metric.note,
    }
    if not defined:
        return MetricResult(value=None, missing="no item has an answer that this metric is defined for", **common)
    made = estimate([s for s, _ in defined], [g for _, g in defined], metric.aggregate, resamples=RESAMPLES, seed=SEED)
    if made.value is None:
        return MetricResult(value=None, missing=made.reason or "not defined for these items", **common)
    if not metric.bounded:  # a corpus value may lie outside what single items span
        ends = [end for end in (made.value, made.low, made.high) if end is not None]
        if max(map(abs, ends)) > MAX_RANGE:
            return MetricResult(value=None, missing=f"the value or its interval goes beyond {MAX_RANGE:g}", **common)
        common["range"] = min(common["range"][0], *map(math.floor, ends)), max(common["range"][1], *map(math.ceil, ends))
    return MetricResult(
        value=made.value,
        low=made.low,
        high=made.high,
        interval=made.method or f"none: {made.reason}",
        strict_value=_strict(metric, made.value, len(statistics) - len(defined), len(defined), n_items),
        **common,
    )


def _span(metric: Metric, statistics: Sequence[Statistics]) -> tuple[float, float]:
    """The usual range, widened to what was found, for a metric without bounds."""
    found = [metric.item_score(one) for one in statistics]
    return min([metric.range[0], *map(math.floor, found)]), max([metric.range[1], *map(math.ceil, found)])


def _strict(metric: Metric, value: float, n_undefined: int, n: int, n_items: int) -> float | None:
    """The mean over all items, one without an answer counting as the worst value."""
    if metric.aggregate != "mean" or not metric.bounded:
        return None
    worst = metric.range[0] if metric.higher_is_better else metric.range[1]
    denominator = n_items - n_undefined
    return (value * n + worst * (denominator - n)) / denominator if denominator else None


def unscored(name: str, reason: str) -> MetricResult:
    """The entry of a metric that could not be computed here."""
    metric = METRICS.get(name)
    return MetricResult(
        name=name,
        label=metric.label,
        value=None,
        n=0,
        missing=reason,
        range=metric.range,
        higher_is_better=metric.higher_is_better,
    )


def strata(
    scored: Sequence[Scored], scorables: Sequence[Scorable], groups: Sequence[str | None], dimensions: Sequence[str]
) -> dict[str, list[MetricResult]]:
    """Scores of the subsets that share a value of an item's ``meta``; subsets of too few patients are left out."""
    found: dict[str, list[MetricResult]] = {}
    for dimension in dimensions:
        for value in sorted({str(s.meta[dimension]) for s in scorables if dimension in s.meta}):
            chosen = [i for i, s in enumerate(scorables) if str(s.meta.get(dimension)) == value]
            chosen_groups = [groups[i] for i in chosen]
            if (
                len({group if group is not None else i for i, group in zip(chosen, chosen_groups, strict=True)})
                < MIN_STRATUM_GROUPS
            ):
                continue
            found[f"{dimension}={value}"] = [
                summarise(one.metric, [one.statistics[i] for i in chosen], chosen_groups, len(chosen)) for one in scored
            ]
    return found


def score_rows(scored: Scored, scorables: Sequence[Scorable]) -> list[Mapping[str, Any]]:
    """The lines of ``scores.jsonl`` for one metric: item, metric, score and, where there are several, the statistics."""
    rows: list[Mapping[str, Any]] = []
    for scorable, statistics in zip(scorables, scored.statistics, strict=True):
        row: dict[str, Any] = {"item": scorable.item, "metric": scored.metric.name}
        row["score"] = None if statistics is None else scored.metric.item_score(statistics)
        if statistics is not None and len(statistics) > 1:
            row["statistics"] = list(statistics)
        rows.append(row)
    return rows
