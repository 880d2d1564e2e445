"""A corpus value with its interval and, where it is only approximate, a caution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Additive, Aggregate, FloatArray, Ranked, check_statistics
from ehrbench.stats.clusters import IntArray, by_content, cluster_codes, content_order, degrees_of_freedom
from ehrbench.stats.interval import Bounds, Spread, correlations, interval, mean_interval, spread, telling, wilson
from ehrbench.stats.jackknife import LeftOut, leave_one_out

FEW_GROUPS = 30
FEW_ITEMS = 20
"""With fewer groups, or fewer items of the rarest class, an interval carries a caution: ``benchmarks/coverage`` shows why."""
FEW_DEGREES = 10
"""Degrees of freedom below which a few groups hold most of the items."""
FEW_TELLING = 6
"""Groups that differ from the others below which nobody can say how alike the items of a group are."""


class Estimate(NamedTuple):
    """A corpus value and how sure it is."""

    value: float | None
    """None: undefined; ``reason`` says why."""
    low: float | None
    """Lower end of the interval; None: there is none, ``reason`` says why."""
    high: float | None
    n: int
    """Items behind the value."""
    n_groups: int
    """Clusters, each of which was left out in turn."""
    method: str
    """How the interval was made ("score interval, jackknife over 24 patients"); empty without one."""
    reason: str | None = None
    """Why there is no value or no interval."""
    caution: str = ""
    """Why the interval is only approximate; empty where simulation shows that it holds."""


def estimate(
    statistics: npt.ArrayLike,
    groups: Sequence[str | None],
    aggregate: str | Aggregate,
    *,
    bounds: Bounds | None = None,
    level: float = 0.95,
    unit: str | None = None,
) -> Estimate:
    """Aggregate items' statistics and put an interval around the value; ``ehrbench.stats.interval`` has the rule.

    The result does not depend on the order of the items. Decided cases:

    * no item: no value; one cluster: a value without an interval;
    * nothing varies from cluster to cluster: Wilson's interval with one trial a cluster where the value has bounds, else none;
    * a value that is not defined without one of the clusters (the only one with positives): no interval;
    * a calibration error: no interval, because chance alone makes it too large by an unknown amount.

    Args:
        statistics: [n, k], finite; what a metric returned, without the items for which it is undefined.
        groups: the cluster of each item, usually the patient; None for an item that stands alone.
        aggregate: a name in ``AGGREGATES`` or an aggregate.
        bounds: smallest and largest possible value, where the aggregate has none of its own; means of 0s and 1s need none.
        level: of the interval, in (0, 1).
        unit: what a cluster is, in the plural, for ``method``; default "groups", or "items" when all are single.

    Raises:
        ValueError: statistics and groups of different lengths, or statistics that are not finite.
    """
    how = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    matrix = check_statistics(statistics, how.columns)
    n = len(matrix)
    if len(groups) != n:
        raise ValueError(f"{n} rows of statistics but {len(groups)} groups")
    if n == 0:
        return Estimate(None, None, None, 0, 0, "", "no item has a score")
    codes, n_groups = cluster_codes(groups)
    order = content_order(matrix)
    matrix, codes = matrix[order], codes[order]
    value = float(how(matrix, np.ones((1, n)))[0])
    if math.isnan(value):
        reason = "needs items of both classes" if isinstance(how, Ranked) else "nothing to divide by"
        return Estimate(None, None, None, n, n_groups, "", reason)
    if n_groups == 1:
        return Estimate(value, None, None, n, 1, "", "one group only: nothing to compare it with")
    if how is AGGREGATES["ece"]:
        reason = "a calibration error is too large by chance, by an amount that is not known"
        return Estimate(value, None, None, n, n_groups, "", reason)
    codes = by_content(how.expand(matrix) if isinstance(how, Additive) else matrix, codes, n_groups)
    unit = unit or ("items" if n_groups == n else "groups")
    if how is AGGREGATES["upper_median"]:
        return _median(matrix[:, 0], codes, n_groups, value, unit, level)
    if (right_or_wrong := _right_or_wrong(how, matrix)) and n == n_groups:
        low, high = wilson(round(float(matrix.sum())), n, level)
        return Estimate(value, low, high, n, n, f"Wilson, {n} {unit}", caution=few_groups(n, unit))
    bounds = how.bounds or bounds or ((0.0, 1.0) if right_or_wrong else None)
    left_out = leave_one_out(how, matrix, codes, n_groups)
    return of_left_out(how, value, left_out, n, n_groups, bounds=bounds, level=level, unit=unit)


def of_left_out(
    how: Aggregate,
    value: float,
    left_out: LeftOut,
    n: int,
    n_groups: int,
    *,
    bounds: Bounds | None,
    level: float,
    unit: str,
) -> Estimate:
    """A value with the interval that leaving out one cluster at a time gives it.

    Args:
        how: its aggregate.
        value: with all clusters.
        left_out: without each in turn.
        n: items.
        n_groups: clusters.
        bounds: smallest and largest possible value; None: it has none.
        level: of the interval.
        unit: what a cluster is, in the plural.
    """
    caution = _caution(left_out, n, n_groups, unit, counts_classes=isinstance(how, Ranked) or how.parts is not None)
    if len(left_out.values) > 1 and bounds is not None:
        low, high = _mean_of_parts(left_out, bounds, level, how.ranks_pairs)
        method = f"mean of {len(left_out.values)} classes' score intervals, jackknife over {n_groups} {unit}"
        return Estimate(value, low, high, n, n_groups, method, caution=caution)
    as_factor = isinstance(how, Additive) and how.ratio_scale
    if as_factor:
        with np.errstate(divide="ignore", invalid="ignore"):
            left_out = left_out._replace(values=np.log(left_out.values), rest=np.log(left_out.rest))
    one = spread_of(left_out, 0)
    if one is None or not np.isfinite(one.value):
        return Estimate(value, None, None, n, n_groups, "", "not defined without one of the groups")
    ends = interval(one, bounds, level, ranks_pairs=how.ranks_pairs)
    if ends is None:
        return Estimate(value, None, None, n, n_groups, "", "all groups have one value, and nothing says what else it might be")
    method = _method(one, bounds, n_groups, unit)
    if as_factor:
        with np.errstate(over="ignore"):
            ends = float(np.exp(ends[0])), float(np.exp(ends[1]))
        method = method.replace("Student's t", "Student's t of the logarithm")
    return Estimate(value, *ends, n, n_groups, method, caution=caution)


def spread_of(left_out: LeftOut, part: int) -> Spread | None:
    """The spread of one part; None where it is not defined without one of the clusters."""
    rest, sizes = left_out.rest[:, part], left_out.sizes[:, part]
    if np.isnan(rest).any():
        return None
    df = min(degrees_of_freedom(column) for column in sizes.T)
    trials = min(int((column > 0).sum()) for column in sizes.T)
    return spread(float(left_out.values[part]), rest, df, trials)


def _mean_of_parts(left_out: LeftOut, bounds: Bounds, level: float, ranks_pairs: bool) -> tuple[float, float]:
    """Of a mean over classes; a class that one cluster alone has may lie anywhere between the bounds."""
    ends: list[Bounds] = []
    for k, value in enumerate(left_out.values.tolist()):
        one = spread_of(left_out, k)
        if one is None:
            ends.append(bounds)
        elif one.trials == 0:  # nothing of the class was there to be found
            ends.append((value, value))
        else:
            ends.append(interval(one, bounds, level, ranks_pairs=ranks_pairs) or bounds)
    known = np.where(np.isnan(left_out.rest), left_out.values, left_out.rest)
    low, high = mean_interval(left_out.values.tolist(), ends, correlations(known))
    return max(bounds[0], low), min(bounds[1], high)


def _median(values: FloatArray, codes: IntArray, n_groups: int, value: float, unit: str, level: float) -> Estimate:
    """Woodruff's (1952) interval of a median: that of the share of smaller values, read off the ordered values."""
    n = len(values)
    below = (values <= value).astype(np.float64)[:, None]
    one = spread_of(leave_one_out(AGGREGATES["mean"], below, codes, n_groups), 0)
    ends = None if one is None else interval(one._replace(value=0.5, skewness=0.0), (0.0, 1.0), level)
    if ends is None or values[0] == values[-1]:
        return Estimate(value, None, None, n, n_groups, "", "all groups have one value, and nothing says what else it might be")
    ordered = np.sort(values)
    low, high = (float(ordered[min(n - 1, max(0, place))]) for place in (math.floor(ends[0] * n), math.ceil(ends[1] * n) - 1))
    caution = few_groups(n_groups, unit)
    return Estimate(value, low, high, n, n_groups, f"Woodruff's, jackknife over {n_groups} {unit}", caution=caution)


def _right_or_wrong(how: Aggregate, matrix: FloatArray) -> bool:
    return how is AGGREGATES["mean"] and bool(np.isin(matrix, (0.0, 1.0)).all())


def _method(one: Spread, bounds: Bounds | None, n_groups: int, unit: str) -> str:
    if bounds is None:
        return f"Student's t, jackknife over {n_groups} {unit}"
    if one.constant(bounds):
        return f"Wilson, one trial for each of {max(1, one.trials)} {unit} (nothing varies)"
    return f"score interval, jackknife over {n_groups} {unit}"


def _caution(left_out: LeftOut, n: int, n_groups: int, unit: str, counts_classes: bool) -> str:
    """Why an interval is only approximate; the thresholds are where the simulations of ``benchmarks/coverage`` begin to fail."""
    items = left_out.sizes.sum(axis=0)
    if counts_classes and (rarest := int(items[items > 0].min(initial=np.inf))) < FEW_ITEMS:
        return f"only {rarest} items of the rarest class: with fewer than {FEW_ITEMS} the 95 % interval is only approximate"
    if counts_classes:
        return few_groups(n_groups, unit)
    sizes = left_out.sizes[:, 0, 0]
    trials = min(n_groups, int((sizes > 0).sum()))
    if trials < FEW_GROUPS:
        return few_groups(trials, unit)
    if degrees_of_freedom(sizes) < FEW_DEGREES:
        return f"few of the {trials} {unit} hold most of the items: the 95 % interval is only approximate"
    if n > n_groups and telling(left_out.rest[:, 0]) < FEW_TELLING:
        return f"few of the {trials} {unit} differ from the others: the 95 % interval is only approximate"
    return ""


def few_groups(n: int, unit: str) -> str:
    """The caution beside an interval of so many groups; empty where there are enough."""
    return f"only {n} {unit}: with fewer than {FEW_GROUPS} the 95 % interval is only approximate" if n < FEW_GROUPS else ""


def clustered_stderr(values: npt.ArrayLike, groups: Sequence[str | None]) -> float:
    """Standard error of a mean whose items come in clusters (Miller 2024, "Adding Error Bars to Evals").

    sqrt(sum over clusters of (sum of the cluster's deviations)^2) / n, without a small-sample correction. NaN for fewer
    than two clusters.
    """
    v = np.asarray(values, dtype=np.float64)
    codes, n_groups = cluster_codes(groups)
    if n_groups < 2:
        return math.nan
    sums = np.bincount(codes, weights=v - v.mean(), minlength=n_groups)
    return float(np.sqrt((sums**2).sum()) / len(v))


def normal_interval(mean: float, stderr: float, level: float = 0.95) -> tuple[float, float]:
    """Mean plus and minus the normal quantile times the standard error (1.96 at 95 %)."""
    half = NormalDist().inv_cdf((1 + level) / 2) * stderr
    return mean - half, mean + half
