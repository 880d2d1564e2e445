"""Means over items of quantities that not every item has, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.estimate import clustered_stderr, estimate, normal_interval
from ehrbench.stats.interval import Bounds

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


class MeanInterval(NamedTuple):
    """A mean with its interval and the normal one beside it."""

    value: float | None
    """None: no item has a value."""
    low: float | None
    """None: fewer than two clusters, or nothing that varies."""
    high: float | None
    normal_low: float | None
    normal_high: float | None
    n: int
    """Items behind it."""
    caution: str = ""
    """Why the interval is only approximate."""


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


def mean_intervals(values: FloatArray, groups: Sequence[str | None], bounds: Bounds | None = None) -> list[MeanInterval]:
    """Each row's mean with its interval, and the normal one beside it.

    Args:
        values: [K, items], NaN = left out.
        groups: cluster of each item; None stands alone.
        bounds: smallest and largest possible value.
    """
    found = []
    for row in values:
        used = np.flatnonzero(~np.isnan(row)).tolist()
        own = [groups[i] for i in used]
        made = estimate(row[used], own, "mean", bounds=bounds)
        stderr = clustered_stderr(row[used], own) if used else np.nan
        below, above = (None, None) if made.value is None or np.isnan(stderr) else normal_interval(made.value, stderr)
        found.append(MeanInterval(made.value, made.low, made.high, below, above, len(used), made.caution))
    return found
