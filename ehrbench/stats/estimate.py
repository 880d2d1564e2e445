"""A value with its interval: percentile bootstrap over clusters, and the closed forms that stand beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Additive, Aggregate, FloatArray, Ranked, check_statistics

CELLS_A_BLOCK = 1 << 14
"""Draws worked on at a time: arrays of 128 kB stay in a core's cache, and the allocator hands their memory out again."""
ROWS_A_BLOCK = 16
"""Resamples worked on at a time, at the least."""
REMEMBERED_CELLS = 1 << 22
"""Draws kept for the next call (32 MB of indices): 10,000 resamples of 400 patients."""
ROW_BY_ROW_FROM = 2000
"""Clusters from which counting one resample at a time is faster: its counts then fill a core's cache."""

IntArray = npt.NDArray[np.intp]


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
    """Clusters that were resampled."""
    method: str
    """How the interval was made ("percentile bootstrap, 10000 resamples of 24 patients"); empty without one."""
    n_degenerate: int = 0
    """Resamples for which the value is undefined; they are left out of the percentiles."""
    reason: str | None = None
    """Why there is no value or no interval."""


def cluster_codes(groups: Sequence[str | None]) -> tuple[IntArray, int]:
    """Number the clusters 0..C-1 in order of first appearance; an item of group None is a cluster of its own.

    Returns:
        (code of each item's cluster, C).
    """
    codes = np.empty(len(groups), dtype=np.intp)
    seen: dict[str, int] = {}
    count = 0
    for i, group in enumerate(groups):
        if group is None:
            codes[i], count = count, count + 1
        elif group in seen:
            codes[i] = seen[group]
        else:
            codes[i] = seen[group] = count
            count += 1
    return codes, count


def estimate(
    statistics: npt.ArrayLike,
    groups: Sequence[str | None],
    aggregate: str | Aggregate,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    unit: str | None = None,
) -> Estimate:
    """Aggregate items' statistics and put a percentile bootstrap interval over clusters around the value.

    The draws do not depend on the order of the items: clusters are put into an order of their content first. Decided cases:

    * no item: no value; one cluster: a value without an interval;
    * a mean of values that are all 0 or all 1 (where every resample is equal): Wilson's interval with one trial a cluster;
    * other constant values: the interval is the value itself;
    * resamples without a value (one class only) are left out and counted; when they are half of all or more, no interval.

    Args:
        statistics: [n, k], finite; what a metric returned, without the items for which it is undefined.
        groups: the cluster of each item, usually the patient; None for an item that stands alone.
        aggregate: a name in ``AGGREGATES`` or an aggregate.
        resamples: bootstrap resamples, 1 or more.
        seed: of the numpy generator.
        level: of the interval, in (0, 1).
        unit: what a cluster is, in the plural, for ``method``; default "groups", or "items" when all are single.

    Raises:
        ValueError: statistics and groups of unlike length, or statistics that are not finite.
    """
    how = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    matrix = check_statistics(statistics, how.columns)
    n = len(matrix)
    if len(groups) != n:
        raise ValueError(f"{n} rows of statistics but {len(groups)} groups")
    if n == 0:
        return Estimate(None, None, None, 0, 0, "", reason="no item has a score")
    codes, n_groups = cluster_codes(groups)
    order = _content_order(matrix)
    matrix, codes = matrix[order], codes[order]
    value = float(how(matrix, np.ones((1, n)))[0])
    if math.isnan(value):
        reason = "needs items of both classes" if isinstance(how, Ranked) else "nothing to divide by"
        return Estimate(None, None, None, n, n_groups, "", reason=reason)
    if n_groups == 1:
        return Estimate(value, None, None, n, 1, "", reason="one group only: nothing to resample")
    unit = unit or ("items" if n_groups == n else "groups")
    if how is AGGREGATES["mean"] and value in (0.0, 1.0) and bool((matrix == value).all()):
        low, high = wilson(int(value) * n_groups, n_groups, level)
        return Estimate(
            value, low, high, n, n_groups, f"Wilson, one trial for each of {n_groups} {unit} (all values are {value:g})"
        )
    if isinstance(how, Additive):
        draws = _resample_sums(how, matrix, codes, n_groups, resamples, seed)
    else:
        draws = _resample_ranked(how, matrix, codes, n_groups, resamples, seed)
    defined = draws[~np.isnan(draws)]
    n_degenerate = resamples - len(defined)
    if 2 * n_degenerate >= resamples:
        reason = f"undefined in {n_degenerate} of {resamples} resamples"
        return Estimate(value, None, None, n, n_groups, "", n_degenerate, reason)
    low, high = (float(x) for x in np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
    return Estimate(
        value, low, high, n, n_groups, f"percentile bootstrap, {resamples} resamples of {n_groups} {unit}", n_degenerate
    )


def resample_indices(n_groups: int, resamples: int, seed: int) -> Iterable[IntArray]:
    """Draw clusters with replacement, in blocks [b, n_groups] of bounded memory, ``resamples`` rows in all.

    Public so that a benchmark or a paired test uses the same draws. The last draws are kept: the metrics of a task ask for the
    same ones in turn.
    """
    if n_groups * resamples <= REMEMBERED_CELLS:
        return _remembered_indices(n_groups, resamples, seed)
    return _draw(n_groups, resamples, seed)


@lru_cache(maxsize=2)
def _remembered_indices(n_groups: int, resamples: int, seed: int) -> tuple[IntArray, ...]:
    blocks = tuple(_draw(n_groups, resamples, seed))
    for block in blocks:
        block.flags.writeable = False
    return blocks


def _draw(n_groups: int, resamples: int, seed: int) -> Iterator[IntArray]:
    rng = np.random.default_rng(seed)
    rows = max(ROWS_A_BLOCK, CELLS_A_BLOCK // n_groups)
    for start in range(0, resamples, rows):
        size = (min(rows, resamples - start), n_groups)
        yield rng.integers(0, n_groups, size=size, dtype=np.uint32).astype(np.intp)


def resample_counts(indices: IntArray) -> npt.NDArray[np.int32]:
    """How often each row of drawn indices [b, C] holds each cluster: int32[b, C]."""
    b, n_groups = indices.shape
    if n_groups > ROW_BY_ROW_FROM:
        counts = np.empty((b, n_groups), dtype=np.int32)
        for i in range(b):
            counts[i] = np.bincount(indices[i], minlength=n_groups)
        return counts
    flat = indices + (np.arange(b, dtype=np.intp) * n_groups)[:, None]
    return np.bincount(flat.ravel(), minlength=b * n_groups).reshape(b, n_groups).astype(np.int32)


def _resample_sums(how: Additive, matrix: FloatArray, codes: IntArray, n_groups: int, resamples: int, seed: int) -> FloatArray:
    rows = np.column_stack([how.expand(matrix), np.ones(len(matrix))])
    if n_groups < len(rows):
        summed = np.zeros((n_groups, rows.shape[1]))
        np.add.at(summed, codes, rows)
        rows = summed[_content_order(summed)]
    out = np.empty(resamples)
    done = 0
    for indices in resample_indices(n_groups, resamples, seed):
        sums = _drawn_sums(rows, indices)
        out[done : done + len(indices)] = how.finish(sums[:, :-1], sums[:, -1])
        done += len(indices)
    return out


def _drawn_sums(rows: FloatArray, indices: IntArray) -> FloatArray:
    """Column sums [b, c] of the drawn rows; columns that are equal everywhere need no drawing."""
    b, n_groups = indices.shape
    sums = np.empty((b, rows.shape[1]))
    varying = [j for j in range(rows.shape[1]) if (rows[:, j] != rows[0, j]).any()]
    # Gathering costs a pass a column, counting three passes and then next to nothing a column.
    if len(varying) <= 3:
        for j in varying:
            sums[:, j] = np.ascontiguousarray(rows[:, j]).take(indices).sum(axis=1)
    else:
        sums[:, varying] = resample_counts(indices).astype(np.float64) @ rows[:, varying]
    for j in set(range(rows.shape[1])).difference(varying):
        sums[:, j] = rows[0, j] * n_groups
    return sums


def _resample_ranked(how: Ranked, matrix: FloatArray, codes: IntArray, n_groups: int, resamples: int, seed: int) -> FloatArray:
    order = how.order(matrix)
    matrix, codes = matrix[order], codes[order]
    if n_groups == len(matrix):
        columns = None
    else:
        members: list[list[int]] = [[] for _ in range(n_groups)]
        for row, code in enumerate(codes.tolist()):
            members[code].append(row)
        position = np.empty(n_groups, dtype=np.intp)
        position[sorted(range(n_groups), key=lambda c: matrix[members[c]].tolist())] = np.arange(n_groups)
        columns = position[codes]
    out = np.empty(resamples)
    done = 0
    for indices in resample_indices(n_groups, resamples, seed):
        counts = resample_counts(indices)
        out[done : done + len(indices)] = how.value(matrix, counts if columns is None else counts[:, columns])
        done += len(indices)
    return out


def _content_order(rows: FloatArray) -> IntArray:
    return np.lexsort(rows.T[::-1])


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


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, k successes of n; (0, 1) for n = 0."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a proportion")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, z2 = k / n, z * z / n
    centre, half = (p + z2 / 2) / (1 + z2), z / (1 + z2) * math.sqrt(p * (1 - p) / n + z2 / (4 * n))
    return max(0.0, centre - half) if k else 0.0, min(1.0, centre + half) if k < n else 1.0
