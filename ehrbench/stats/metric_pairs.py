"""Every pair of metrics compared by how well they agree with people: paired bootstrap, PERM-BOTH, Holm."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.paired import PATTERNS_UP_TO, ROUNDING, holm, significance_clusters
from ehrbench.stats.resampled_means import mean, percentiles, resampled_means

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
    p_bootstrap: float | None
    """Two-sided."""
    p_permutation: float | None
    """PERM-BOTH, two-sided."""
    p_bootstrap_holm: float | None
    p_permutation_holm: float | None


class PairTests(NamedTuple):
    """All pairs, and the groups that they make."""

    pairs: list[MetricPair]
    clusters: npt.NDArray[np.int64]
    """Of each metric, 1 = best: metrics in one cluster cannot be told from its best (PERM-BOTH, Holm, 0.05)."""
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

    Args:
        values: [metrics, items], agreement of each metric with people, NaN = left out.
        metrics: [metrics, items, systems], their scores.
        agreement: how ``values`` follows from ``metrics``.
        codes: cluster of each item, for the bootstrap.
        n_groups: clusters.
        resamples: of the bootstrap.
        permutations: of PERM-BOTH.
        seed: of both.
        draws: [resamples, pairs], resampled differences in the order of ``itertools.combinations``; None: drawn here over
            clusters of items.
    """
    which = list(combinations(range(len(values)), 2))
    if not which:
        return PairTests([], np.ones(len(values), dtype=np.int64), 0)
    first, second = (np.array(side, dtype=np.intp) for side in zip(*which, strict=True))
    gaps = values[first] - values[second]
    absent = np.isnan(metrics)
    for k, (a, b) in enumerate(which):
        if (absent[a] != absent[b]).any():  # agreement over other systems is no fair comparison
            one, two = (agreement(np.where(absent[a] | absent[b], np.nan, metrics[m])) for m in (a, b))
            gaps[k] = one - two
    observed, n = mean(gaps), (~np.isnan(gaps)).sum(axis=1)
    if draws is None:
        draws = resampled_means(gaps, codes, n_groups, resamples=resamples, seed=seed)
    ends = percentiles(draws)
    undefined = np.isnan(draws).sum(axis=0)
    smaller = np.minimum((draws <= ROUNDING).sum(axis=0), (draws >= -ROUNDING).sum(axis=0))
    p_boot = np.minimum(1.0, 2 * (smaller + 1) / (len(draws) - undefined + 1))
    p_boot[(n == 0) | np.isnan(ends[0]) | (n_groups < 2)] = np.nan
    p_perm = permute_pairs(metrics, which, agreement, permutations=permutations, seed=seed)
    adjusted = holm(p_boot), holm(p_perm)
    matrix = np.full((len(values), len(values)), np.nan)
    for (a, b), p in zip(which, adjusted[1], strict=True):
        matrix[a, b] = matrix[b, a] = p
    pairs = [
        MetricPair(
            a,
            b,
            _number(observed[k]),
            None if n_groups < 2 else _number(ends[0, k]),
            None if n_groups < 2 else _number(ends[1, k]),
            int(n[k]),
            *(_number(p[k]) for p in (p_boot, p_perm, *adjusted)),
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
