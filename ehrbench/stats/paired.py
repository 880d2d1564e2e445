"""Is the difference real? Paired tests of two systems, or two metrics, on the same items, and corrections for many of them.

Monte Carlo p-values are (k + 1) / (B + 1): never 0, and valid for any B. Nothing here depends on the order of the items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Aggregate, FloatArray, check_statistics
from ehrbench.stats.estimate import IntArray, cluster_codes, resample_counts, resample_indices
from ehrbench.stats.rank_correlation import NanPolicy, Variant, pair_counts, with_nan_policy

Alternative = Literal["two-sided", "greater"]

EXACT_UP_TO = 20
"""Clusters up to which every pattern of signs is tried."""
PATTERNS_UP_TO = 8
"""Systems up to which every pattern of swaps within an item is scored beforehand."""
CELLS_A_BLOCK = 1 << 21
ROUNDING = 1e-12


class PairedDifference(NamedTuple):
    """A's value minus B's, with its interval."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, from the bootstrap: twice the smaller share of resamples on one side of 0."""
    n: int
    n_groups: int
    method: str
    reason: str | None = None
    """Why there is no difference or no interval."""


class PermutationTest(NamedTuple):
    """A p-value and how it was found."""

    p: float
    statistic: float
    method: str


class McNemar(NamedTuple):
    """Items that one system alone got right."""

    only_a: int
    only_b: int
    p: float


def paired_bootstrap(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[str | None],
    aggregate: str | Aggregate = "mean",
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> PairedDifference:
    """Percentile bootstrap over clusters of the difference of two corpus values, the same draws for both.

    Args:
        a: statistics [n, k] of one system's items.
        b: of the other's, item by item the same.
        groups: cluster of each item; None stands alone.
        aggregate: a name in ``AGGREGATES`` or an aggregate.
        resamples: bootstrap resamples.
        seed: of the generator.
        level: of the interval.
    """
    how = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    x, y = check_statistics(a, how.columns), check_statistics(b, how.columns)
    if not len(x) == len(y) == len(groups):
        raise ValueError(f"{len(x)} and {len(y)} items and {len(groups)} groups are not the same items")
    codes, n_groups = cluster_codes(groups)
    if not len(x):
        return PairedDifference(None, None, None, None, 0, 0, "", "no item has both scores")
    both = np.column_stack([x, y])
    order = np.lexsort(both.T[::-1])
    both, codes = both[order], _by_content(both[order], codes[order], n_groups)
    x, y = both[:, : x.shape[1]], both[:, x.shape[1] :]
    ones = np.ones((1, len(x)))
    difference = float((how(x, ones) - how(y, ones))[0])
    if math.isnan(difference):
        return PairedDifference(None, None, None, None, len(x), n_groups, "", "one of the two values is undefined")
    if n_groups == 1:
        return PairedDifference(difference, None, None, None, len(x), 1, "", "one group only: nothing to resample")
    draws = np.concatenate(
        [
            how(x, weights) - how(y, weights)
            for weights in (resample_counts(indices)[:, codes] for indices in resample_indices(n_groups, resamples, seed))
        ]
    )
    draws = draws[~np.isnan(draws)]
    if 2 * len(draws) <= resamples:
        reason = f"undefined in {resamples - len(draws)} of {resamples} resamples"
        return PairedDifference(difference, None, None, None, len(x), n_groups, "", reason)
    low, high = (float(q) for q in np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]))
    smaller = min(int((draws <= ROUNDING).sum()), int((draws >= -ROUNDING).sum()))
    p = min(1.0, 2 * (smaller + 1) / (len(draws) + 1))
    return PairedDifference(
        difference, low, high, p, len(x), n_groups, f"paired percentile bootstrap, {resamples} resamples of {n_groups} groups"
    )


def sign_flip_test(
    differences: npt.ArrayLike,
    groups: Sequence[str | None],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    alternative: Alternative = "two-sided",
) -> PermutationTest:
    """Permutation test that a mean of paired differences is 0: the signs of whole clusters are flipped.

    Exact over all 2^C patterns for up to 20 clusters with a difference, else Monte Carlo. No difference at all: p = 1.

    Args:
        differences: A minus B, item by item, finite.
        groups: cluster of each item.
        resamples: random patterns where exact is too many.
        seed: of the generator.
        alternative: "greater": A is better.
    """
    d = check_statistics(differences, 1)[:, 0]
    codes, n_groups = cluster_codes(groups)
    sums = np.sort(np.bincount(codes, weights=d, minlength=n_groups))
    sums = sums[np.abs(sums) > ROUNDING]
    observed = float(sums.sum())
    mean = observed / len(d) if len(d) else 0.0
    if not len(sums):
        return PermutationTest(1.0, mean, "no difference on any group")
    if len(sums) <= EXACT_UP_TO:
        null = np.zeros(1)
        for value in sums:
            null = np.concatenate([null + value, null - value])
        p = float(_as_extreme(null, observed, alternative).mean())
        return PermutationTest(p, mean, f"exact sign-flip test over {len(sums)} groups")
    rng = np.random.default_rng(seed)
    k = done = 0
    rows = max(1, CELLS_A_BLOCK // len(sums))
    while done < resamples:
        signs = 2.0 * rng.integers(0, 2, size=(min(rows, resamples - done), len(sums)), dtype=np.int8) - 1
        k += int(_as_extreme(signs @ sums, observed, alternative).sum())
        done += len(signs)
    return PermutationTest((k + 1) / (resamples + 1), mean, f"sign-flip test, {resamples} patterns of {len(sums)} groups")


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


def mcnemar(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> McNemar:
    """Exact two-sided McNemar test of two systems' right and wrong answers to the same items.

    Items are taken as independent: with several items a patient, ``sign_flip_test`` by patient is the honest test.
    """
    x, y = np.asarray(correct_a).astype(bool), np.asarray(correct_b).astype(bool)
    only_a, only_b = int((x & ~y).sum()), int((y & ~x).sum())
    n, k = only_a + only_b, min(only_a, only_b)
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(k + 1)]
    return McNemar(only_a, only_b, min(1.0, 2 * math.fsum(map(math.exp, logs))))


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


def rank_ranges(values: npt.ArrayLike, p_values: npt.ArrayLike, alpha: float = 0.05) -> npt.NDArray[np.int64]:
    """Best and worst rank that each entry may have: int[k, 2].

    1 + the entries that are significantly better, and k - those that are significantly worse.
    """
    v, p = np.asarray(values, dtype=np.float64), np.asarray(p_values, dtype=np.float64)
    significant = p < alpha
    better = (significant & (v[None, :] > v[:, None])).sum(axis=1)
    worse = (significant & (v[None, :] < v[:, None])).sum(axis=1)
    return np.stack([1 + better, len(v) - worse], axis=1)


def _by_content(rows: FloatArray, codes: IntArray, n_groups: int) -> IntArray:
    """Number the clusters by their content, so that the draws do not depend on the items' order."""
    sums = np.zeros((n_groups, rows.shape[1] + 1))
    np.add.at(sums, codes, np.column_stack([rows, np.ones(len(rows))]))
    place = np.empty(n_groups, dtype=np.intp)
    place[np.lexsort(sums.T[::-1])] = np.arange(n_groups)
    return place[codes]


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


def swap_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[str | None],
    aggregate: str | Aggregate = "mean",
    *,
    permutations: int = 10_000,
    seed: int = 0,
) -> PermutationTest:
    """Permutation test that two systems' corpus values are equal: the answers of whole clusters change sides.

    For a mean this is ``sign_flip_test``; other aggregates (corpus BLEU, F1 of sets, AUROC) are computed anew from the swapped
    statistics. Two-sided.

    Args:
        a: statistics [n, k] of one system's items.
        b: of the other's, item by item the same.
        groups: cluster of each item; None stands alone.
        aggregate: a name in ``AGGREGATES`` or an aggregate.
        permutations: random swaps.
        seed: of the generator.
    """
    how = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    x, y = check_statistics(a, how.columns), check_statistics(b, how.columns)
    if how is AGGREGATES["mean"]:
        return sign_flip_test(x[:, 0] - y[:, 0], groups, resamples=permutations, seed=seed)
    codes, n_groups = cluster_codes(groups)
    both = np.column_stack([x, y])
    order = np.lexsort(both.T[::-1])
    x, y = x[order], y[order]
    codes = _by_content(both[order], codes[order], n_groups)
    sides = np.concatenate([x, y])

    def difference(swapped: npt.NDArray[np.int8]) -> FloatArray:
        kept = 1 - swapped
        one, two = np.concatenate([kept, swapped], axis=1), np.concatenate([swapped, kept], axis=1)
        return how(sides, one.astype(np.float64)) - how(sides, two.astype(np.float64))

    observed = float(difference(np.zeros((1, len(x)), dtype=np.int8))[0])
    method = f"permutation test, {permutations} swaps of {n_groups} groups"
    if math.isnan(observed):
        return PermutationTest(math.nan, observed, method)
    rng = np.random.default_rng(seed)
    k = done = 0
    rows = max(1, CELLS_A_BLOCK // max(1, 4 * len(x)))
    while done < permutations:
        drawn = rng.integers(0, 2, size=(min(rows, permutations - done), n_groups), dtype=np.int8)
        null = difference(drawn[:, codes])
        # An undefined difference speaks against a real one, if for anything.
        k += int((_as_extreme(null, observed, "two-sided") | np.isnan(null)).sum())
        done += len(drawn)
    return PermutationTest((k + 1) / (permutations + 1), observed, method)
