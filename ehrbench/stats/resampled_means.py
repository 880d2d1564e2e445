"""Means of many item-wise quantities under the same bootstrap draws, so that their differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.estimate import clustered_stderr, normal_interval, resample_counts, resample_indices

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


class MeanInterval(NamedTuple):
    """A mean with a percentile bootstrap interval and the normal one beside it."""

    value: float | None
    """None: no item has a value."""
    low: float | None
    """None: fewer than two clusters."""
    high: float | None
    normal_low: float | None
    normal_high: float | None
    n: int
    """Items behind it."""


def mean(values: FloatArray) -> FloatArray:
    """Mean along the last axis, NaN left out; NaN where there is nothing."""
    n = (~np.isnan(values)).sum(axis=-1)
    out = np.full(n.shape, np.nan)
    np.divide(np.nansum(values, axis=-1), n, out=out, where=n > 0)
    return out


def mean_within(values: FloatArray, item: IntArray, n_items: int) -> FloatArray:
    """Mean over the rows of each item that have a value: (..., rows) to (..., items); NaN without any.

    Args:
        values: NaN = undefined.
        item: int[rows], 0..n_items-1.
        n_items: items in all.
    """
    if len(item) == n_items and bool((item == np.arange(n_items)).all()):
        return values
    flat = values.reshape(-1, values.shape[-1])
    defined = ~np.isnan(flat)
    totals, counts = np.zeros((n_items, len(flat))), np.zeros((n_items, len(flat)))
    np.add.at(totals, item, np.where(defined, flat, 0.0).T)
    np.add.at(counts, item, defined.T.astype(np.float64))
    out = np.full(totals.shape, np.nan)
    np.divide(totals, counts, out=out, where=counts > 0)
    return np.ascontiguousarray(out.T).reshape(*values.shape[:-1], n_items)


def resampled_means(values: FloatArray, codes: IntArray, n_groups: int, *, resamples: int = 10_000, seed: int = 0) -> FloatArray:
    """Means [resamples, K] of the rows of [K, items] over drawn clusters, the same draws for all rows.

    A NaN is left out of its row's mean; a resample without any value is NaN. The draws follow the clusters' numbers, so number
    them by something that does not depend on the items' order.
    """
    k = len(values)
    defined = ~np.isnan(values)
    sums = np.zeros((n_groups, 2 * k))
    np.add.at(sums, codes, np.concatenate([np.where(defined, values, 0.0), defined.astype(np.float64)]).T)
    out = np.full((resamples, k), np.nan)
    start = 0
    for indices in resample_indices(n_groups, resamples, seed):
        drawn = resample_counts(indices).astype(np.float64) @ sums
        np.divide(drawn[:, :k], drawn[:, k:], out=out[start : start + len(drawn)], where=drawn[:, k:] > 0)
        start += len(drawn)
    return out


def percentiles(draws: FloatArray, level: float = 0.95) -> FloatArray:
    """Ends [2, K] of the percentile intervals of [resamples, K]; NaN where half of the draws or more are undefined."""
    ends = [(1 - level) / 2, (1 + level) / 2]
    undefined = np.isnan(draws)
    if not undefined.any():
        return np.asarray(np.quantile(draws, ends, axis=0), dtype=np.float64)
    out = np.full((2, draws.shape[1]), np.nan)
    for k in range(draws.shape[1]):
        kept = draws[~undefined[:, k], k]
        if 2 * len(kept) > len(draws):
            out[:, k] = np.quantile(kept, ends)
    return out


def mean_intervals(
    values: FloatArray, draws: FloatArray, groups: Sequence[str | None], level: float = 0.95
) -> list[MeanInterval]:
    """Each row's mean with both intervals.

    Args:
        values: [K, items].
        draws: [resamples, K] of ``resampled_means``.
        groups: cluster of each item; None stands alone.
        level: of the intervals.
    """
    ends = percentiles(draws, level)
    found = []
    for row, low, high in zip(values, *ends, strict=True):
        used = np.flatnonzero(~np.isnan(row)).tolist()
        if not used:
            found.append(MeanInterval(None, None, None, None, None, 0))
            continue
        value = float(row[used].mean())
        stderr = clustered_stderr(row[used], [groups[i] for i in used])
        single = bool(np.isnan(stderr))
        below, above = (None, None) if single else normal_interval(value, stderr, level)
        known = not (single or np.isnan(low))
        found.append(MeanInterval(value, float(low) if known else None, float(high) if known else None, below, above, len(used)))
    return found
