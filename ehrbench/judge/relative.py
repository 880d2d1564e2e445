"""Relative scores: what a judge's verdicts add up to (MIMIC-Instr, section 6.6 and 6.7 of the protocol page)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ehrbench.judge.judging import Judged, Judgement
from ehrbench.results.schema import MAX_RANGE, MetricResult
from ehrbench.tasks.schema import Protocol

RANGE = (10.0, 1000.0)
"""Percent: both scores are 1 to 10."""

PRIMARY = {"paper": "judge_relative", "clean": "judge_ratio_of_sums"}
"""The number a table shows first. A mean of ratios is above 100 for equal answers wherever scores vary: 75 and 133 average to
104. The ratio of sums is not, and a judge that prefers what it sees first does not move it: both orders are in both sums."""


def relative_scores(judged: Sequence[Judged]) -> list[float]:
    """Each item's relative score in percent: the candidate's points over all orders by the reference's."""
    return [100 * candidate / reference for candidate, reference in _points(judged)]


def _points(judged: Sequence[Judged]) -> list[tuple[float, float]]:
    """The candidate's and the reference's points for each item, over its orders."""
    return [(sum(v.candidate for v in one.verdicts.values()), sum(v.reference for v in one.verdicts.values())) for one in judged]


def _span(*values: float | None) -> tuple[float, float]:
    """The usual range, widened to what was found: the paper's reading takes any numbers."""
    known = [value for value in values if value is not None]
    return min([RANGE[0], *map(math.floor, known)]), max([RANGE[1], *map(math.ceil, known)])


def summarise_judgement(judgement: Judgement, protocol: Protocol, signature: str) -> list[MetricResult]:
    """The judge's numbers: mean of ratios (the paper's), ratio of sums, and the controls of its biases.

    ``paper``: mean ± 1.96 · s / √n with s the sample deviation (ddof 1). ``clean``: intervals by patient.
    """
    from ehrbench.stats.estimate import estimate

    judged = judgement.complete()
    groups = [one.pair.item.group for one in judged]
    ratios = relative_scores(judged)
    common: dict[str, Any] = {"n": len(judged), "n_undefined": len(judgement.judged) - len(judged), "signature": signature}
    if not judged:
        reason = "no item has a readable verdict in every order"
        return [_without_value(protocol, reason, common)]
    if max(map(abs, [*ratios, 0.0])) > MAX_RANGE / 10:
        reason = f"an item's ratio goes beyond {MAX_RANGE / 10:g} %: the judge wrote numbers that are not scores"
        return [_without_value(protocol, reason, common)]
    if protocol == "paper":
        mean, half = mean_interval(ratios)
        low, high = (None, None) if half is None else (mean - half, mean + half)
        first = MetricResult(
            name="judge_relative",
            label="Judge, relative",
            value=mean,
            low=low,
            high=high,
            interval="normal, 1.96 standard errors of the items",
            range=_span(mean, low, high),
            note="mean of the items' ratios in percent of the reference",
            **common,
        )
    else:
        made = estimate([(r,) for r in ratios], groups, "mean")
        first = MetricResult(
            name="judge_relative",
            label="Judge, relative",
            value=made.value,
            low=made.low,
            high=made.high,
            caution=made.caution,
            interval=made.method or f"none: {made.reason}",
            range=RANGE,
            note="mean of the items' ratios in percent of the reference, the points of both orders added up first",
            **common,
        )
    made = estimate(_points(judged), groups, "ratio_of_sums")
    percent = [None if x is None else 100 * x for x in (made.value, made.low, made.high)]
    metrics = [
        first,
        MetricResult(
            name="judge_ratio_of_sums",
            label="Judge, ratio of sums",
            value=percent[0],
            low=percent[1],
            high=percent[2],
            caution=made.caution,
            interval=made.method or f"none: {made.reason}",
            range=_span(*percent),
            missing=made.reason if percent[0] is None else None,
            note="all points of the candidate in percent of all points of the reference",
            **common,
        ),
    ]
    metrics.sort(key=lambda metric: metric.name != PRIMARY[protocol])
    lengths = np.array([len(one.pair.candidate.split()) for one in judged], dtype=float)
    metrics.append(
        _control("judge_length_correlation", "Correlation with length", _correlation(np.array(ratios), lengths), (-1, 1), common)
    )
    if len(judgement.orders) == 2:
        metrics += _order_controls(judged, common)
    return metrics


def _without_value(protocol: Protocol, reason: str, common: dict[str, Any]) -> MetricResult:
    labels = {"judge_relative": "Judge, relative", "judge_ratio_of_sums": "Judge, ratio of sums"}
    name = PRIMARY[protocol]
    return MetricResult(name=name, label=labels[name], value=None, missing=reason, range=RANGE, **common)


def mean_interval(ratios: Sequence[float]) -> tuple[float, float | None]:
    """Mean and half width of the normal 95 % interval, 1.96 · s / √n with ddof 1; no width for a single item."""
    n = len(ratios)
    mean = sum(ratios) / n
    if n < 2:
        return mean, None
    variance = sum((r - mean) ** 2 for r in ratios) / (n - 1)
    return mean, 1.96 * (variance / n) ** 0.5


def _order_controls(judged: Sequence[Judged], common: dict[str, Any]) -> list[MetricResult]:
    """How often both orders agree on who is better, and how often the answer shown first is preferred."""
    agree, first_preferred, untied = 0, 0, 0
    for one in judged:
        signs = [_sign(v.candidate - v.reference) for v in one.verdicts.values()]
        agree += len(set(signs)) == 1
        for order, verdict in one.verdicts.items():
            sign = _sign(verdict.candidate - verdict.reference)
            untied += sign != 0
            first_preferred += sign == (-1 if order == "reference_first" else 1)
    return [
        _control("judge_consistency", "Agreement of both orders", agree / len(judged), (0, 1), common),
        _control("judge_first_preferred", "First answer preferred", first_preferred / untied if untied else None, (0, 1), common),
    ]


def _control(name: str, label: str, value: float | None, span: tuple[float, float], common: dict[str, Any]) -> MetricResult:
    missing = "not defined for these verdicts" if value is None else None
    return MetricResult(name=name, label=label, value=value, missing=missing, range=span, **common)


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


def _correlation(x: Any, y: Any) -> float | None:
    if len(x) < 2 or not x.std() or not y.std():
        return None
    return float(np.corrcoef(x, y)[0, 1])
