"""From a value's spread over clusters to its interval: one rule for every bounded number, one for the others.

A value between known bounds gets Wilson's score interval with the *effective* number of trials: as many right-or-wrong items as
would make it equally uncertain (Korn and Graubard 1998; Dean and Pagano 2015 compare such intervals), and Student's quantile. It
never leaves the bounds and has a width even where all items are right. An AUROC's is the same with an AUROC's own variance
(``ehrbench.stats.binormal``). Where the clusters are more skewed than right-or-wrong
items would be, the long end is moved out by what Hall (1992) has for the difference. A value without bounds gets Student's
interval with the same correction. An unweighted mean of several values combines their intervals (MOVER, Zou and Donner 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ehrbench.stats import binormal
from ehrbench.stats.clusters import FloatArray
from ehrbench.stats.student import student

Bounds = tuple[float, float]

MAX_SKEWNESS = 1.0
"""Of a value's sampling distribution; an expansion in it means nothing beyond."""
TRUST_IN_SPREAD = 3
"""Degrees of freedom for each cluster that the variance rests on. Satterthwaite's rule has about 2; shares near 0 or 1, which
know something of their variance, are covered with 3 (``benchmarks/coverage``)."""
NOTHING = 1e-12
"""Relative to the width of the bounds: spread that is rounding only."""


class Spread(NamedTuple):
    """What is known of a value's uncertainty."""

    value: float
    stderr: float
    df: float
    """Degrees of freedom of ``stderr``."""
    skewness: float
    """Of the value's sampling distribution."""
    trials: int
    """Clusters that have a say in the value; what stands in for the effective number of trials where nothing varies."""

    def constant(self, bounds: Bounds) -> bool:
        """Whether the value is the same whichever cluster is left out."""
        return self.stderr <= NOTHING * (bounds[1] - bounds[0])


def spread(value: float, left_out: FloatArray, df: float, trials: int) -> Spread:
    """The spread of a value, from its values without each cluster in turn (the delete-one jackknife).

    Args:
        value: with all clusters.
        left_out: float[C], finite.
        df: degrees of freedom.
        trials: clusters that have a say.
    """
    count = len(left_out)
    deviations = np.sort(left_out.mean() - left_out)
    scale = float(np.abs(deviations).max()) or 1.0  # so that no power overflows
    squares = float(((deviations / scale) ** 2).sum())
    skewness = float(((deviations / scale) ** 3).sum()) / squares**1.5 if squares > 0 else 0.0
    df = max(1.0, min(df, TRUST_IN_SPREAD * telling(left_out)))
    return Spread(value, scale * math.sqrt((count - 1) / count * squares), df, skewness, trials)


def telling(left_out: FloatArray) -> float:
    """How many clusters the variance rests on: all C of them where all differ alike, 1 for a single outlier."""
    deviations = np.abs(left_out - left_out.mean())
    squares = (deviations / (deviations.max() or 1.0)) ** 2
    fourth = float((squares**2).sum())
    return float(squares.sum()) ** 2 / fourth if fourth > 0 else 0.0


def interval(one: Spread, bounds: Bounds | None, level: float = 0.95, *, ranks_pairs: bool = False) -> tuple[float, float] | None:
    """Ends of the interval; None where nothing varies and there are no bounds to say what might have.

    Args:
        one: the value and its spread.
        bounds: its smallest and largest possible value, if there are any.
        level: in (0, 1).
        ranks_pairs: whether the value is an AUROC, whose bounds are 0 and 1.
    """
    if bounds is None:
        if one.stderr <= NOTHING * max(1.0, abs(one.value)):
            return None
        t = student(one.df, level)
        return _lengthened(one.value - t * one.stderr, one.value + t * one.stderr, one, t, 0.0)
    low, high = bounds
    width = high - low
    share = min(1.0, max(0.0, (one.value - low) / width))
    if one.constant(bounds):
        below, above = score_interval(share, max(1, one.trials), student(math.inf, level))
        return low + width * below, low + width * above
    t = student(one.df, level)
    if ranks_pairs and (variance := binormal.variance(share)) > NOTHING:
        ends = binormal.score_interval(share, one.stderr, t)
        return _within(bounds, _lengthened(*ends, one, t, one.stderr * binormal.slope(share) / variance))
    variance = max(share * (1 - share), NOTHING)
    below, above = score_interval(share, variance / (one.stderr / width) ** 2, t)
    binomial = (1 - 2 * share) * one.stderr / width / variance
    return _within(bounds, _lengthened(low + width * below, low + width * above, one, t, binomial))


def _within(bounds: Bounds, ends: tuple[float, float]) -> tuple[float, float]:
    return max(bounds[0], ends[0]), min(bounds[1], ends[1])


def score_interval(share: float, trials: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a share of so many trials, which need not be whole numbers."""
    z2 = quantile * quantile
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = quantile / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return (0.0 if share <= 0 else max(0.0, centre - half)), (1.0 if share >= 1 else min(1.0, centre + half))


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, k successes of n independent trials; (0, 1) for n = 0."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a proportion")
    return score_interval(k / n, n, student(math.inf, level)) if n else (0.0, 1.0)


def mean_interval(values: Sequence[float], ends: Sequence[tuple[float, float]], correlation: FloatArray) -> tuple[float, float]:
    """The interval of an unweighted mean, from those of its members (MOVER, Zou and Donner 2008).

    Args:
        values: of the members.
        ends: of their intervals.
        correlation: float[K, K] of the members' estimates.
    """
    v, e = np.asarray(values, dtype=np.float64), np.asarray(ends, dtype=np.float64)
    below, above = v - e[:, 0], e[:, 1] - v
    mean = float(v.mean())
    reach = [math.sqrt(max(0.0, float(side @ correlation @ side))) / len(v) for side in (below, above)]
    return mean - reach[0], mean + reach[1]


def correlations(left_out: FloatArray, *, centre: bool = True) -> FloatArray:
    """Correlations [K, K] of K values, from their values [C, K] without each cluster; 0 with a value that does not vary.

    Args:
        left_out: the values, or how far each is from the value with all clusters (then without ``centre``).
        centre: take the deviations from the columns' means.
    """
    deviations = left_out - left_out.mean(axis=0) if centre else left_out
    covariance = deviations.T @ deviations
    scale = np.sqrt(np.diag(covariance))
    product = np.outer(scale, scale)
    found: FloatArray = np.divide(covariance, product, out=np.zeros_like(product), where=product > 0)
    np.fill_diagonal(found, 1.0)
    return found


def _lengthened(low: float, high: float, one: Spread, t: float, allowed_for: float) -> tuple[float, float]:
    """Move the end on the side of the long tail out for the skewness beyond what is allowed for; the other end stays."""
    skewness = min(MAX_SKEWNESS, abs(one.skewness))
    same_side = one.skewness * allowed_for > 0
    excess = _far_quantile(t, skewness) - _far_quantile(t, min(MAX_SKEWNESS, abs(allowed_for)) if same_side else 0.0)
    if excess <= 0:
        return low, high
    return (low, high + excess * one.stderr) if one.skewness > 0 else (low - excess * one.stderr, high)


def _far_quantile(t: float, skewness: float) -> float:
    """Hall's (1992) cubic transformation of Student's quantile on the side of the long tail, to second order."""
    x = t + skewness / 6
    return x + skewness * x**2 / 3 + 5 * skewness**2 * x**3 / 27
