"""One procedure for the interval and the p-value of a mean difference: the sign-flip test by cluster, turned round.

Under "the difference is d" the differences of whole clusters from d are as likely above as below: their signs may be flipped. The
values of d that the test does not reject are read off the means of random subsets of clusters (Hartigan's typical values, 1969):
the flipped clusters speak for a difference of at most d just where their mean is at most d. So the interval holds 0 exactly where
p is above 5 %.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.clusters import FloatArray

EXACT_UP_TO = 16
"""Clusters of which every subset is looked at."""
ROUNDING = 1e-12


class Inverted(NamedTuple):
    """A test turned round."""

    low: float | None
    """Smallest difference that is not rejected; None: no difference is too small to be rejected."""
    high: float | None
    p: float
    """Two-sided, that the difference is 0."""


def subsets(n_clusters: int, n: int, seed: int) -> npt.NDArray[np.int8]:
    """Subsets of clusters, int8[N, C] of 0 and 1: every one but the empty one of up to 16 clusters, else ``n`` random ones."""
    if n_clusters <= EXACT_UP_TO:
        numbers = np.arange(1, 1 << n_clusters)
        return ((numbers[:, None] >> np.arange(n_clusters)) & 1).astype(np.int8)
    return np.random.default_rng(seed).integers(0, 2, size=(n, n_clusters), dtype=np.int8)


def subset_means(sums: FloatArray, sizes: FloatArray, chosen: npt.NDArray[np.int8]) -> FloatArray:
    """Means [N, K] of K quantities over the items of the chosen clusters; NaN where a subset has none.

    Args:
        sums: [C, K], of each cluster's items.
        sizes: [C, K], their numbers.
        chosen: [N, C] of ``subsets``.
    """
    which = chosen.astype(np.float64)
    totals, counts = which @ sums, which @ sizes
    out = np.full(totals.shape, np.nan)
    np.divide(totals, counts, out=out, where=counts > 0)
    return out


def invert(draws: FloatArray, level: float = 0.95) -> Inverted:
    """Interval and p-value from subset means, or from bootstrap draws, of one difference.

    The observed data count as one draw that is as extreme as any, so that p is never 0 (Phipson and Smyth 2010); so do draws
    without a value.

    Args:
        draws: float[N].
        level: of the interval.
    """
    defined = np.sort(draws[~np.isnan(draws)])
    defined[np.abs(defined) <= ROUNDING] = 0.0
    always, total = 1 + len(draws) - len(defined), 1 + len(draws)
    below, above = np.searchsorted(defined, 0.0, "right"), len(defined) - np.searchsorted(defined, 0.0, "left")
    p = min(1.0, 2 * (always + int(min(below, above))) / total)
    # The k-th smallest draw is the first value that as many draws do not exceed as p above 1 - level takes.
    k = math.floor((1 - level) * total / 2 + ROUNDING) + 1 - always
    if k < 1 or k > len(defined):
        return Inverted(None, None, p)
    return Inverted(float(defined[k - 1]), float(defined[-k]), p)
