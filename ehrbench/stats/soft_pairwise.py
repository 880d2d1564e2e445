"""Soft pairwise accuracy (Thompson et al. 2024, official at WMT24): does a metric separate systems as surely as people do?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

CELLS_A_BLOCK = 1 << 21
ROUNDING = 1e-12
"""Relative to the scores: differences of two sums that are rounding only."""


class SoftPairwise(NamedTuple):
    """Agreement of two sets of paired p-values at system level."""

    accuracy: float
    """1 - mean over pairs of systems of the absolute difference of their p-values, in 0..1; NaN for fewer than two systems or
    items."""
    p_human: FloatArray
    """float[systems, systems]: one-sided p-value that the row's system is no better than the column's."""
    p_metric: FloatArray
    n_items: int
    """Items on which every system has both values."""
    n_left_out: int


def soft_pairwise_accuracy(
    human: npt.ArrayLike, metric: npt.ArrayLike, *, permutations: int = 1000, seed: int = 0
) -> SoftPairwise:
    """Compare the pairwise p-values of people's and a metric's system means.

    The p-values are from paired permutation tests over items (each item's two scores swapped with probability 1/2), with the same
    swaps for every pair of systems and for both sides.

    Args:
        human: float[items, systems], higher is better; NaN = missing.
        metric: float[items, systems], likewise.
        permutations: random swaps.
        seed: of the generator.
    """
    h, m = np.asarray(human, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if h.ndim != 2 or h.shape != m.shape:
        raise ValueError(f"human scores {h.shape} and metric scores {m.shape} are not (items, systems) of equal shape")
    complete = ~(np.isnan(h) | np.isnan(m)).any(axis=1)
    both = np.hstack([h[complete], m[complete]])
    both = both[np.lexsort(both.T[::-1])]  # the order of the items must not matter
    items, systems = len(both), h.shape[1]
    left_out = len(h) - items
    if systems < 2 or items < 2:
        empty = np.full((systems, systems), np.nan)
        return SoftPairwise(float("nan"), empty, empty, items, left_out)
    p_human, p_metric = _paired_p_values([both[:, :systems], both[:, systems:]], permutations, seed)
    pairs = np.triu_indices(systems, 1)
    return SoftPairwise(1 - float(np.abs(p_human - p_metric)[pairs].mean()), p_human, p_metric, items, left_out)


def _paired_p_values(sides: list[FloatArray], permutations: int, seed: int) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    items, systems = sides[0].shape
    observed = [side.mean(axis=0)[:, None] - side.mean(axis=0)[None, :] for side in sides]
    counts = [np.zeros((systems, systems)) for _ in sides]
    rows = max(1, CELLS_A_BLOCK // max(items, systems * systems))
    for start in range(0, permutations, rows):
        signs = 2.0 * rng.integers(0, 2, size=(min(rows, permutations - start), items), dtype=np.int8) - 1
        for side, seen, count in zip(sides, observed, counts, strict=True):
            # Swapping two scores flips their difference, so one product serves every pair of systems.
            means = signs @ side / items
            count += (means[:, :, None] - means[:, None, :] >= seen - ROUNDING * np.abs(side).max()).sum(axis=0)
    p_values = [(count + 1) / (permutations + 1) for count in counts]
    for p in p_values:
        np.fill_diagonal(p, np.nan)
    return p_values


def soft_pairwise_stderr(
    human: npt.ArrayLike, metric: npt.ArrayLike, codes: npt.ArrayLike, *, permutations: int = 1000, seed: int = 0
) -> float:
    """Standard error of soft pairwise accuracy: a jackknife that leaves one cluster of items out at a time.

    A bootstrap would have to permute anew in each resample, and its p-values would be too extreme, for a resample repeats items.
    NaN for fewer than three clusters or two systems.

    Args:
        human: float[items, systems]; items with a missing value are left out.
        metric: float[items, systems].
        codes: int[items], the cluster of each item.
        permutations: random swaps, the same for every cluster that is left out.
        seed: of the generator.
    """
    h, m = np.asarray(human, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    complete = ~(np.isnan(h) | np.isnan(m)).any(axis=1)
    h, m, groups = h[complete], m[complete], np.asarray(codes)[complete]
    names = np.unique(groups)
    first, second = np.triu_indices(h.shape[1], 1)
    if len(names) < 3 or not len(first):
        return float("nan")
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, size=(permutations, len(h)), dtype=np.int8) - 1
    members = [np.flatnonzero(groups == name) for name in names]
    p_values = []
    for side in (h, m):
        gaps = side[:, first] - side[:, second]
        flipped, seen = signs @ gaps, gaps.sum(axis=0)
        counts = [
            (flipped - signs[:, rows] @ gaps[rows] >= seen - gaps[rows].sum(axis=0) - ROUNDING * np.abs(gaps).sum()).sum(axis=0)
            for rows in members
        ]
        p_values.append((np.array(counts) + 1) / (permutations + 1))
    left_out = 1 - np.abs(p_values[0] - p_values[1]).mean(axis=1)
    return float(np.sqrt((len(names) - 1) / len(names) * ((left_out - left_out.mean()) ** 2).sum()))
