"""Every pair of metrics compared by how well they agree with people: sign-flip test over items, PERM-BOTH, Holm."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.clusters import cluster_sums
from ehrbench.stats.item_means import mean
from ehrbench.stats.paired import PATTERNS_UP_TO, holm, significance_clusters
from ehrbench.stats.subset_means import ROUNDING, invert, subset_means, subsets

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

Values = Callable[[FloatArray], FloatArray]
"""From scores (..., items, systems) to the items' agreement with people (..., items), NaN = undefined."""

CELLS_A_BLOCK = 1 << 19
RANDOM_PATTERNS = 128
"""Swaps of each item that are looked at where there are more than eight systems."""


class MetricPair(NamedTuple):
    """Metric ``a`` minus metric ``b``, on the items where both are defined."""

    a: int
    b: int
    difference: float | None
    """None: no such item."""
    low: float | None
    high: float | None
    n: int
    p: float | None
    """Two-sided, of the test that the interval inverts: would other items say the same of these systems?"""
    p_permutation: float | None
    """PERM-BOTH, two-sided: is the difference more than chance would make of two metrics that cannot be told apart?"""
    p_holm: float | None
    p_permutation_holm: float | None


class PairTests(NamedTuple):
    """All pairs, and the groups that they make."""

    pairs: list[MetricPair]
    clusters: npt.NDArray[np.int64]
    """Of each metric, 1 = best: on these items and systems, metrics in one cluster cannot be told from its best (PERM-BOTH, Holm,
    0.05)."""
    permutations: int


def compare_metrics(
    values: FloatArray,
    metrics: FloatArray,
    agreement: Values,
    codes: IntArray,
    n_groups: int,
    *,
    resamples: int = 10_000,
    permutations: int = 10_000,
    seed: int = 0,
    draws: FloatArray | None = None,
) -> PairTests:
    """Test every two metrics, on the answers that both score.

    The interval and ``p`` are of one procedure, the sign-flip test over clusters of items, and cannot contradict; PERM-BOTH asks
    another question and may disagree with them.

    Args:
        values: [metrics, items], agreement of each metric with people, NaN = left out.
        metrics: [metrics, items, systems], their scores.
        agreement: how ``values`` follows from ``metrics``.
        codes: cluster of each item, whose differences change signs together.
        n_groups: clusters.
        resamples: patterns of signs.
        permutations: of PERM-BOTH.
        seed: of both.
        draws: [resamples, pairs], bootstrap draws of the differences in the order of ``itertools.combinations``, of which
            interval and ``p`` are then made; None: the sign-flip test.
    """
    which = list(combinations(range(len(values)), 2))
    if not which:
        return PairTests([], np.ones(len(values), dtype=np.int64), 0)
    first, second = (np.array(side, dtype=np.intp) for side in zip(*which, strict=True))
    gaps = values[first] - values[second]
    absent = np.isnan(metrics)
    for k, (a, b) in enumerate(which):
        if (absent[a] != absent[b]).any():  # agreement over other systems is not a fair comparison
            one, two = (agreement(np.where(absent[a] | absent[b], np.nan, metrics[m])) for m in (a, b))
            gaps[k] = one - two
    observed, n = mean(gaps), (~np.isnan(gaps)).sum(axis=1)
    if draws is None:
        defined = ~np.isnan(gaps.T)
        sums, sizes = (
            cluster_sums(rows, codes, n_groups) for rows in (np.where(defined, gaps.T, 0.0), defined.astype(np.float64))
        )
        draws = subset_means(sums, sizes, subsets(n_groups, resamples, seed))
    tests = [invert(column) for column in draws.T]
    # Two metrics that agree with people alike on every item have no interval: nothing varies, and 0 to 0 would claim to know.
    alike = np.array([bool(np.nanmax(column) == np.nanmin(column)) if (~np.isnan(column)).any() else True for column in draws.T])
    known = (n > 0) & ~alike & (n_groups > 1)
    p_items = np.array([test.p for test in tests])
    p_items[(n == 0) | (n_groups < 2)] = np.nan
    p_perm = permute_pairs(metrics, which, agreement, permutations=permutations, seed=seed)
    adjusted = holm(p_items), holm(p_perm)
    matrix = np.full((len(values), len(values)), np.nan)
    for (a, b), p in zip(which, adjusted[1], strict=True):
        matrix[a, b] = matrix[b, a] = p
    pairs = [
        MetricPair(
            a,
            b,
            _number(observed[k]),
            tests[k].low if known[k] else None,
            tests[k].high if known[k] else None,
            int(n[k]),
            *(_number(p[k]) for p in (p_items, p_perm, *adjusted)),
        )
        for k, (a, b) in enumerate(which)
    ]
    best = np.where(np.isnan(means := mean(values)), -np.inf, means)
    return PairTests(pairs, significance_clusters(best, matrix), permutations)


def permute_pairs(
    metrics: FloatArray, pairs: list[tuple[int, int]], agreement: Values, *, permutations: int, seed: int
) -> FloatArray:
    """PERM-BOTH (Deutsch, Dror, Roth 2021) of each pair: two-sided p-values, NaN where a metric agrees nowhere.

    Both metrics are standardised over all cells where both have a score; each cell (item, system) is swapped with probability
    1/2. The same swaps serve every pair. An item has only 2^systems ways to be swapped: up to eight systems, each is looked at
    once; beyond, 128 random ones of each item stand for all.
    """
    out = np.full(len(pairs), np.nan)
    items, systems = metrics.shape[1:]
    rng = np.random.default_rng(seed)
    swaps = _swaps(items, systems, rng)
    patterns = rng.integers(0, len(swaps), size=(permutations, items), dtype=np.int64)
    drawn: IntArray = np.asarray(patterns * items + np.arange(items), dtype=np.intp)
    for k, (a, b) in enumerate(pairs):
        x, y = _standardised(metrics[a], metrics[b])
        observed = float(mean(agreement(x)) - mean(agreement(y)))
        if np.isnan(observed):
            continue
        deltas = _from_tables(x, y, agreement, swaps, drawn)
        undefined = np.isnan(deltas)  # speaks against a difference, if for anything
        extreme = np.abs(deltas[~undefined]) >= abs(observed) - ROUNDING
        out[k] = (int(extreme.sum()) + int(undefined.sum()) + 1) / (permutations + 1)
    return out


def _swaps(items: int, systems: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which cells are swapped: bool[patterns, items or 1, systems]; the k-th pattern from the end is the opposite of the k-th."""
    if systems <= PATTERNS_UP_TO:
        every: npt.NDArray[np.bool_] = (np.arange(1 << systems)[:, None] >> np.arange(systems)) & 1 == 1
        return every[:, None, :]
    drawn = rng.integers(0, 2, size=(RANDOM_PATTERNS // 2, items, systems), dtype=np.int8) == 1
    return np.concatenate([drawn, ~drawn[::-1]])


def _from_tables(x: FloatArray, y: FloatArray, agreement: Values, swaps: npt.NDArray[np.bool_], drawn: IntArray) -> FloatArray:
    items = len(x)
    # A metric's scores after a swap are the other's after the opposite one, so one table has both.
    table = np.concatenate([agreement(np.where(s, y, x)) for s in np.array_split(swaps, max(1, len(swaps) // 16))])
    never = np.isnan(table).all(axis=0)
    gap = table - table[::-1]
    deltas = np.empty(len(drawn))
    rows = max(1, CELLS_A_BLOCK // items)
    if not np.isnan(table[:, ~never]).any():
        flat = np.where(never, 0.0, gap).ravel()
        for start in range(0, len(drawn), rows):
            deltas[start : start + rows] = flat.take(drawn[start : start + rows]).sum(axis=1)
        return deltas / max(1, int((~never).sum()))
    sides = [(np.nan_to_num(t).ravel(), (~np.isnan(t)).astype(np.float64).ravel()) for t in (table, table[::-1])]
    for start in range(0, len(drawn), rows):
        here = drawn[start : start + rows]
        (one, n_one), (two, n_two) = ((total.take(here).sum(axis=1), n.take(here).sum(axis=1)) for total, n in sides)
        with np.errstate(invalid="ignore", divide="ignore"):
            deltas[start : start + rows] = one / n_one - two / n_two
    return deltas


def _standardised(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    missing = np.isnan(x) | np.isnan(y)

    def standard(side: FloatArray) -> FloatArray:
        out: FloatArray = np.where(missing, np.nan, side)
        if missing.all():
            return out
        spread = float(np.nanstd(out))
        return np.asarray((out - np.nanmean(out)) / (spread if spread > 0 else 1.0), dtype=np.float64)

    return standard(x), standard(y)


def _number(x: float) -> float | None:
    return None if np.isnan(x) else float(x)
