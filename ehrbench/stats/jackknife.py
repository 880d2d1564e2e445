"""Corpus values with one cluster left out at a time: what every closed-form interval is made from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ehrbench.stats.aggregate import AGGREGATES, Additive, Aggregate, Ranked
from ehrbench.stats.clusters import FloatArray, IntArray, cluster_sums

BLOCKS = 1000
"""Clusters that are left out one by one; more are first joined into this many random blocks."""
CELLS_A_BLOCK = 1 << 20
SEED = 0
"""Of the random blocks."""


class LeftOut(NamedTuple):
    """A value, or the classes' values of which it is the mean, with all clusters and without each in turn."""

    values: FloatArray
    """float[K]"""
    rest: FloatArray
    """float[C, K]; NaN: not defined without the cluster."""
    sizes: FloatArray
    """float[C, K, s]: what each cluster adds to each part's denominators (of an AUROC: positives and negatives)."""


def leave_one_out(how: Aggregate, matrix: FloatArray, codes: IntArray, n_groups: int) -> LeftOut:
    """Leave each cluster out in turn; of more than ``BLOCKS`` clusters, random blocks where each costs a pass over the items.

    Args:
        how: the aggregate.
        matrix: statistics [n, k].
        codes: cluster of each item, 0..C-1.
        n_groups: C, at least 2.
    """
    support = how.support(matrix)
    if how is AGGREGATES["auprc"]:
        codes, n_groups = join_blocks(codes, n_groups)
    sizes = cluster_sums(support.reshape(len(matrix), -1), codes, n_groups).reshape(n_groups, *support.shape[1:])
    values, rest = _left_out(how, matrix, codes, n_groups)
    kept = ~np.isnan(values)
    return LeftOut(values[kept], rest[:, kept], sizes[:, kept])


def _left_out(how: Aggregate, matrix: FloatArray, codes: IntArray, n_groups: int) -> tuple[FloatArray, FloatArray]:
    if isinstance(how, Additive):
        summed = cluster_sums(np.column_stack([how.expand(matrix), np.ones(len(matrix))]), codes, n_groups)
        total = summed.sum(axis=0, keepdims=True)
        both = np.concatenate([total, total - summed])
        found = how.parts(both[:, :-1]) if how.parts else how.finish(both[:, :-1], both[:, -1])[:, None]
        return found[0], found[1:]
    if how is AGGREGATES["auroc"]:
        return how(matrix, np.ones((1, len(matrix)))), _auroc_left_out(matrix, codes, n_groups)[:, None]
    if how is AGGREGATES["macro_auroc"]:
        one = AGGREGATES["auroc"]
        classes = [matrix[:, 0] == name for name in np.unique(matrix[:, 0])]
        rest = [_auroc_left_out(matrix[which, 1:], codes[which], n_groups) for which in classes]
        return np.array([one(matrix[which, 1:], np.ones((1, int(which.sum()))))[0] for which in classes]), np.stack(rest, axis=1)
    return how(matrix, np.ones((1, len(matrix)))), _by_weights(how, matrix, codes, n_groups)[:, None]


def join_blocks(codes: IntArray, n_groups: int) -> tuple[IntArray, int]:
    """Clusters joined into at most ``BLOCKS`` random blocks of equal numbers of clusters."""
    if n_groups <= BLOCKS:
        return codes, n_groups
    block = np.random.default_rng(SEED).permutation(n_groups) % BLOCKS
    return block[codes], BLOCKS


def _by_weights(how: Ranked, matrix: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    order = how.order(matrix)
    matrix, codes = matrix[order], codes[order]
    out = np.empty(n_groups)
    rows = max(1, CELLS_A_BLOCK // len(matrix))
    for start in range(0, n_groups, rows):
        left_out = np.arange(start, min(start + rows, n_groups))
        out[start : start + len(left_out)] = how.value(matrix, (codes != left_out[:, None]).astype(np.int32))
    return out


def _auroc_left_out(matrix: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    """From each item's share of the ordered pairs (Obuchowski 1997): one sort instead of a pass for each cluster."""
    positive = matrix[:, 0] > 0.5
    ranks = np.unique(matrix[:, 1], return_inverse=True)[1].ravel()
    high, low = ranks[positive], ranks[~positive]
    of_high, of_low = codes[positive], codes[~positive]
    lost = np.zeros(n_groups)
    lost += np.bincount(of_high, weights=_beaten(high, np.sort(low)), minlength=n_groups)
    lost += np.bincount(of_low, weights=len(high) - _beaten(low, np.sort(high)), minlength=n_groups)
    # Pairs within a cluster were counted on both sides. A cluster's ranks are moved clear of all others' to count them.
    step = int(ranks.max(initial=0)) + 2
    within = np.sort(low + of_low * step)
    before = np.searchsorted(within, of_high * step - 1)
    lost -= np.bincount(of_high, weights=_beaten(high + of_high * step, within) - before, minlength=n_groups)
    wins = float(_beaten(high, np.sort(low)).sum())
    n_high = len(high) - np.bincount(of_high, minlength=n_groups)
    n_low = len(low) - np.bincount(of_low, minlength=n_groups)
    out = np.full(n_groups, np.nan)
    np.divide(wins - lost, n_high * n_low, out=out, where=n_high * n_low > 0)
    return out


def _beaten(scores: IntArray, others: IntArray) -> FloatArray:
    """How many of the others, sorted, each score is above, ties half."""
    both = np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")
    return np.asarray(both / 2, dtype=np.float64)
