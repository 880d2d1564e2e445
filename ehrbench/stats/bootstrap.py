"""Percentile bootstrap over clusters: for draws of items and systems at once, and to verify what earlier versions wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Additive, FloatArray, Ranked, check_statistics
from ehrbench.stats.clusters import IntArray, cluster_codes, content_order
from ehrbench.stats.interval import wilson

CELLS_A_BLOCK = 1 << 14
"""Draws worked on at a time: arrays of 128 kB stay in a core's cache, and the allocator hands their memory out again."""
ROWS_A_BLOCK = 16
"""Resamples worked on at a time, at the least."""
REMEMBERED_CELLS = 1 << 22
"""Draws kept for the next call (32 MB of indices): 10,000 resamples of 400 patients."""
ROW_BY_ROW_FROM = 2000
"""Clusters from which counting one resample at a time is faster: its counts then fill a core's cache."""


EARLIER = ("percentile bootstrap", "Wilson, one trial for each of")
"""How the intervals of earlier versions are described."""


class EarlierInterval(NamedTuple):
    """An interval as earlier versions made it; None: they gave none."""

    low: float | None
    high: float | None
    method: str


def is_earlier(method: str) -> bool:
    """Whether an interval was made by an earlier version: by its description in a result."""
    return method.startswith(EARLIER) and not method.endswith("(nothing varies)")


def earlier_interval(
    statistics: npt.ArrayLike, groups: Sequence[str | None], aggregate: str, *, resamples: int = 10_000, seed: int = 0
) -> EarlierInterval:
    """The 95 % interval of earlier versions, a percentile bootstrap: too narrow for few or skewed clusters, kept to verify them.

    Args:
        statistics: [n, k], finite.
        groups: the cluster of each item; None for an item that stands alone.
        aggregate: a name in ``AGGREGATES``.
        resamples: draws of the clusters.
        seed: of the numpy generator.
    """
    how = AGGREGATES[aggregate]
    matrix = check_statistics(statistics, how.columns)
    codes, n_groups = cluster_codes(groups)
    order = content_order(matrix)
    matrix, codes = matrix[order], codes[order]
    unit = "items" if n_groups == len(matrix) else "groups"
    if n_groups < 2:
        return EarlierInterval(None, None, "")
    if aggregate == "mean" and matrix[0, 0] in (0.0, 1.0) and bool((matrix == matrix[0, 0]).all()):
        low, high = wilson(int(matrix[0, 0]) * n_groups, n_groups)
        return EarlierInterval(low, high, f"{EARLIER[1]} {n_groups} {unit} (all values are {matrix[0, 0]:g})")
    draws = _resample(how, matrix, codes, n_groups, resamples, seed)
    defined = draws[~np.isnan(draws)]
    if 2 * len(defined) <= resamples:
        return EarlierInterval(None, None, "")
    low, high = (float(end) for end in np.quantile(defined, [0.025, 0.975]))
    return EarlierInterval(low, high, f"{EARLIER[0]}, {resamples} resamples of {n_groups} {unit}")


def resampled(
    statistics: npt.ArrayLike, groups: Sequence[str | None], aggregate: str, *, resamples: int, seed: int = 0
) -> FloatArray:
    """A corpus value for each of some draws of the clusters with replacement: float64[resamples], NaN where it is not defined.

    Args:
        statistics: [n, k], finite, n at least 1.
        groups: the cluster of each item; None for an item that stands alone.
        aggregate: a name in ``AGGREGATES``.
        resamples: draws.
        seed: of the numpy generator.
    """
    how = AGGREGATES[aggregate]
    matrix = check_statistics(statistics, how.columns)
    codes, n_groups = cluster_codes(groups)
    order = content_order(matrix)
    return _resample(how, matrix[order], codes[order], n_groups, resamples, seed)


def _resample(
    how: Additive | Ranked, matrix: FloatArray, codes: IntArray, n_groups: int, resamples: int, seed: int
) -> FloatArray:
    draw = _resample_sums if isinstance(how, Additive) else _resample_ranked
    return draw(how, matrix, codes, n_groups, resamples, seed)  # type: ignore[arg-type]


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
        rows = summed[content_order(summed)]
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
