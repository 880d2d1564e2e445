"""Clusters of items, usually patients: what is drawn, left out and counted as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


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


def cluster_sums(rows: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    """Column sums [C, k] of the rows [n, k] of each cluster."""
    sums = np.zeros((n_groups, rows.shape[1]))
    np.add.at(sums, codes, rows)
    return sums


def by_content(rows: FloatArray, codes: IntArray, n_groups: int) -> IntArray:
    """The clusters numbered by what is in them, so that nothing depends on the order in which items came."""
    sums = cluster_sums(np.column_stack([rows, np.ones(len(rows))]), codes, n_groups)
    place = np.empty(n_groups, dtype=np.intp)
    place[content_order(sums)] = np.arange(n_groups)
    return place[codes]


def content_order(rows: FloatArray) -> IntArray:
    """An order of rows that depends on their values alone."""
    return np.lexsort(rows.T[::-1])


def degrees_of_freedom(sizes: FloatArray) -> float:
    """Of a variance estimated by leaving out one cluster at a time (Bell and McCaffrey 2002), for a mean of independent items.

    C - 1 for clusters of equal size, less where few clusters hold most of the items; at least 1.

    Args:
        sizes: items (or their weight) in each cluster, 0 or more; clusters of size 0 do not count.
    """
    m = sizes[sizes > 0]
    total = m.sum()
    if len(m) < 2:
        return 1.0
    weight = (1 / (total - m)) ** 2
    own = weight * (m - m**2 / total)
    shared = ((weight * m**2).sum() ** 2 - (weight**2 * m**4).sum()) / total**2
    return max(1.0, float(own.sum() ** 2 / ((own**2).sum() + shared)))
