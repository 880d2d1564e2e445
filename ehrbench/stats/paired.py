"""Is the difference real? A paired test of two systems on the same items, PERM-BOTH of two metrics, and Holm's correction.

Monte Carlo p-values are (k + 1) / (B + 1): never 0, and valid for any B. Nothing here depends on the order of the items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Additive, Aggregate, FloatArray, check_statistics
from ehrbench.stats.clusters import IntArray, by_content, cluster_codes, cluster_sums, content_order
from ehrbench.stats.estimate import FEW_GROUPS
from ehrbench.stats.interval import Bounds, wilson
from ehrbench.stats.jackknife import join_blocks, leave_one_out
from ehrbench.stats.rank_correlation import NanPolicy, Variant, pair_counts, with_nan_policy
from ehrbench.stats.subset_means import EXACT_UP_TO, ROUNDING, invert, subset_means, subsets

Alternative = Literal["two-sided", "greater"]

PATTERNS_UP_TO = 8
"""Systems up to which every pattern of swaps within an item is scored beforehand."""
CELLS_A_BLOCK = 1 << 21
FEW_DIFFERENT = 10
"""Clusters with a difference below which an interval of it carries a caution."""


class PairedTest(NamedTuple):
    """A's value minus B's, with interval and p-value from one test."""

    difference: float | None
    low: float | None
    """None: there is no interval, ``reason`` says why."""
    high: float | None
    p: float | None
    """Two-sided; above 5 % just where the interval holds 0."""
    n: int
    n_groups: int
    method: str
    """Of both; empty without a test."""
    reason: str | None = None
    """Why there is no difference or no interval."""
    caution: str = ""
    """Why the interval is only approximate."""


class PermutationTest(NamedTuple):
    """A p-value and how it was found."""

    p: float
    statistic: float
    method: str


def paired_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[str | None],
    aggregate: str | Aggregate = "mean",
    *,
    bounds: Bounds | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    unit: str = "groups",
) -> PairedTest:
    """Sign-flip test by cluster that two corpus values are equal, and the interval of differences that it does not reject.

    For a mean the items' differences are flipped, whole clusters together: of right and wrong answers this is McNemar's test for
    clustered items. Of other values (corpus BLEU, F1 of sets, AUROC) each cluster's jackknife pseudo-value of the difference is.
    Every pattern of signs is tried for up to 16 clusters, else random ones.

    Args:
        a: statistics [n, k] of one system's items.
        b: of the other's, item by item the same.
        groups: cluster of each item; None stands alone.
        aggregate: a name in ``AGGREGATES`` or an aggregate.
        bounds: smallest and largest possible value of either system, where the aggregate has none of its own.
        resamples: random patterns where all are too many.
        seed: of the generator.
        level: of the interval.
        unit: what a cluster is, in the plural, for ``method``.

    Raises:
        ValueError: the two sides are not the same items.
    """
    how = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    x, y = check_statistics(a, how.columns), check_statistics(b, how.columns)
    if not len(x) == len(y) == len(groups):
        raise ValueError(f"{len(x)} and {len(y)} items and {len(groups)} groups are not the same items")
    codes, n_groups = cluster_codes(groups)
    if not len(x):
        return PairedTest(None, None, None, None, 0, 0, "", "no item has both scores")
    both = np.column_stack([x, y])
    order = content_order(both)
    both, codes = both[order], by_content(both[order], codes[order], n_groups)
    x, y = both[:, : x.shape[1]], both[:, x.shape[1] :]
    ones = np.ones((1, len(x)))
    difference = float((how(x, ones) - how(y, ones))[0])
    n = len(x)
    if math.isnan(difference):
        return PairedTest(None, None, None, None, n, n_groups, "", "one of the two values is undefined")
    if n_groups == 1:
        return PairedTest(difference, None, None, None, n, 1, "", "one group only: nothing to compare it with")
    if difference < 0:  # drawn as B against A, so that both orders say the same
        turned = paired_test(b, a, groups, how, bounds=bounds, resamples=resamples, seed=seed, level=level, unit=unit)
        low, high = (None if end is None else -end for end in (turned.high, turned.low))
        return turned._replace(difference=difference, low=low, high=high)
    sums, sizes = _contributions(how, x, y, codes, n_groups, difference)
    if np.isnan(sums).any():
        return PairedTest(
            difference, None, None, None, n, n_groups, "", "one of the two values is undefined without one of the groups"
        )
    which = "every pattern" if len(sums) <= EXACT_UP_TO else f"{resamples} patterns"
    method = f"sign-flip test inverted, {which} of {n_groups} {unit}"
    own = sums / sizes
    if np.ptp(own) <= ROUNDING * max(1.0, float(np.abs(own).max())):
        return _no_spread(difference, how.bounds or bounds, n, n_groups, method, level, unit)
    found = invert(subset_means(sums[:, None], sizes[:, None], subsets(len(sums), resamples, seed))[:, 0], level)
    if found.low is None or found.high is None:
        return PairedTest(difference, None, None, found.p, n, n_groups, method, f"{n_groups} {unit} are too few: no p below 5 %")
    n_different = int((np.abs(own) > ROUNDING).sum())
    return PairedTest(
        difference, found.low, found.high, found.p, n, n_groups, method, caution=_caution(n_groups, n_different, unit)
    )


def _contributions(
    how: Aggregate, x: FloatArray, y: FloatArray, codes: IntArray, n_groups: int, difference: float
) -> tuple[FloatArray, FloatArray]:
    """What each cluster adds to the difference, and its size: sums of differences, or jackknife pseudo-values."""
    if how is AGGREGATES["mean"]:
        rows = cluster_sums(np.column_stack([x[:, 0] - y[:, 0], np.ones(len(x))]), codes, n_groups)
        return rows[:, 0], rows[:, 1]
    if not isinstance(how, Additive):
        codes, n_groups = join_blocks(codes, n_groups)
    gaps = _without_each(how, x, codes, n_groups) - _without_each(how, y, codes, n_groups)
    pseudo = (n_groups - 1) * (gaps.mean() - gaps) + difference
    return pseudo, np.ones(n_groups)


def _without_each(how: Aggregate, matrix: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    rest = leave_one_out(how, matrix, codes, n_groups).rest
    return _mean(rest) if rest.shape[1] > 1 else rest[:, 0]


def _no_spread(
    difference: float, bounds: Bounds | None, n: int, n_groups: int, method: str, level: float, unit: str
) -> PairedTest:
    """All clusters differ by the same. Where it is 0 or as much as can be, Wilson's interval says what else it may be."""
    p = 1.0 if abs(difference) <= ROUNDING else min(1.0, 2.0 ** (1 - min(n_groups, 1000)))
    width = 0.0 if bounds is None else bounds[1] - bounds[0]
    caution = _caution(n_groups, 0, unit)
    if width and abs(difference) <= ROUNDING:
        reach = width * wilson(0, n_groups, level)[1]
        return PairedTest(
            difference, -reach, reach, p, n, n_groups, f"Wilson, none of {n_groups} {unit} differs", caution=caution
        )
    if width and abs(abs(difference) - width) <= ROUNDING * width and p <= 1 - level:
        nearest = width * (2 * wilson(n_groups, n_groups, level)[0] - 1)
        ends = (nearest, width) if difference > 0 else (-width, -nearest)
        how = f"Wilson, each of {n_groups} {unit} differs"
        return PairedTest(difference, *ends, p, n, n_groups, how, caution=caution)
    return PairedTest(difference, None, None, p, n, n_groups, method, "every group has the same difference")


def _caution(n_groups: int, n_different: int, unit: str) -> str:
    if n_groups < FEW_GROUPS:
        return f"only {n_groups} {unit}: with fewer than {FEW_GROUPS} the 95 % interval is only approximate"
    if n_different < FEW_DIFFERENT:
        return (
            f"the two differ on {n_different} {unit} only: with fewer than {FEW_DIFFERENT} the 95 % interval is only approximate"
        )
    return ""


def permute_both(
    human: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    variant: Variant = "b",
    policy: NanPolicy = "exclude",
    permutations: int = 1000,
    seed: int = 0,
    alternative: Alternative = "two-sided",
) -> PermutationTest:
    """PERM-BOTH (Deutsch, Dror, Roth 2021): is metric A's mean correlation with people other than metric B's?

    Both metrics are standardised over all cells, then each cell (item, system) is swapped between them with probability 1/2.

    Args:
        human: float[items, systems], higher is better, NaN = missing.
        a: scores of one metric, likewise.
        b: of the other.
        variant: of tau.
        policy: for items where it is undefined.
        permutations: random swaps.
        seed: of the generator.
        alternative: "greater": A correlates better.
    """
    h = np.asarray(human, dtype=np.float64)
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    missing = np.isnan(x) | np.isnan(y) | np.isnan(h)
    x, y = _standardised(x, missing), _standardised(y, missing)

    def values(metric: FloatArray) -> FloatArray:
        return with_nan_policy(pair_counts(h, metric), variant, policy).values

    observed = float((_mean(values(x)) - _mean(values(y)))[()])
    method = f"PERM-BOTH, {permutations} permutations"
    if math.isnan(observed):
        return PermutationTest(math.nan, observed, method)
    deltas = _swapped(values, x, y, permutations, np.random.default_rng(seed))
    undefined = np.isnan(deltas)  # speak against a difference, if for anything
    k = int(_as_extreme(deltas[~undefined], observed, alternative).sum()) + int(undefined.sum())
    return PermutationTest((k + 1) / (permutations + 1), observed, method)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values, in the order given; NaN (no test) stays and does not count."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def significance_clusters(values: npt.ArrayLike, p_values: npt.ArrayLike, alpha: float = 0.05) -> npt.NDArray[np.int64]:
    """Group the best-first list of entries: an entry opens a cluster when it is significantly worse than the current one's first.

    Args:
        values: float[k], higher is better.
        p_values: float[k, k], two-sided and adjusted; [i, j] compares i with j. NaN: not tested, not significant.
        alpha: level.

    Returns:
        Cluster of each entry, 1 = best; entries in one cluster cannot be told from its best.
    """
    v, p = np.asarray(values, dtype=np.float64), np.asarray(p_values, dtype=np.float64)
    clusters = np.zeros(len(v), dtype=np.int64)
    order = np.argsort(-v, kind="stable").tolist()
    current, first = 0, -1
    for i in order:
        if first < 0 or p[first, i] < alpha:
            current, first = current + 1, i
        clusters[i] = current
    return clusters


def _as_extreme(null: FloatArray, observed: float, alternative: Alternative) -> npt.NDArray[np.bool_]:
    slack = ROUNDING * max(1.0, abs(observed))
    if alternative == "two-sided":
        return np.abs(null) >= abs(observed) - slack
    if alternative == "greater":
        return null >= observed - slack
    raise ValueError(f"unknown alternative '{alternative}' (two-sided or greater)")


def _standardised(x: FloatArray, missing: npt.NDArray[np.bool_]) -> FloatArray:
    out: FloatArray = np.where(missing, np.nan, x)
    if missing.all():
        return out
    spread = float(np.nanstd(out))
    out = (out - np.nanmean(out)) / (spread if spread > 0 else 1.0)
    return out


def _mean(values: FloatArray) -> FloatArray:
    n = (~np.isnan(values)).sum(axis=-1)
    total = np.asarray(np.nansum(values, axis=-1), dtype=np.float64)
    out = np.full(total.shape, np.nan)
    np.divide(total, n, out=out, where=n > 0)
    return out


def _swapped(
    values: Callable[[FloatArray], FloatArray], x: FloatArray, y: FloatArray, permutations: int, rng: np.random.Generator
) -> FloatArray:
    """Differences of mean correlations after swapping random cells of x and y."""
    items, systems = x.shape
    deltas = np.empty(permutations)
    if systems <= PATTERNS_UP_TO:
        # An item has only 2^systems ways to be swapped: score each once, then draw one for every item.
        swap = (np.arange(1 << systems)[:, None] >> np.arange(systems)) & 1 == 1
        table = np.concatenate([values(np.where(s[:, None, :], y, x)) for s in np.array_split(swap, max(1, len(swap) // 16))])
        rows = max(1, CELLS_A_BLOCK // items)
        for start in range(0, permutations, rows):
            drawn = rng.integers(0, 1 << systems, size=(min(rows, permutations - start), items))
            mine, other = (np.take_along_axis(table, which, axis=0) for which in (drawn, (1 << systems) - 1 - drawn))
            deltas[start : start + len(drawn)] = _mean(mine) - _mean(other)
        return deltas
    rows = max(1, CELLS_A_BLOCK // (items * systems * systems))
    for start in range(0, permutations, rows):
        swapped = rng.integers(0, 2, size=(min(rows, permutations - start), items, systems), dtype=np.int8) == 1
        mine, other = values(np.where(swapped, y, x)), values(np.where(swapped, x, y))
        deltas[start : start + len(swapped)] = _mean(mine) - _mean(other)
    return deltas
