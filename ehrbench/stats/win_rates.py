"""Win rates, head-to-head matrices and mean ranks of systems that were ranked together, ties included.

Ranks are (rows, systems), 1 = best, ties share a value, NaN = not ranked; a row is one ranking of one item. Only the order
counts: a metric's scores serve as ``-scores``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.ties import tolerance

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

TieRule = Literal["excluded", "half", "strict"]


class Outcomes(NamedTuple):
    """Which system beat which in each row: bool[rows, systems, systems]."""

    better: BoolArray
    """[r, i, j]: i was ranked strictly better than j."""
    tied: BoolArray
    """[r, i, j]: i and j were tied, i unlike j."""


def outcomes(ranks: npt.ArrayLike) -> Outcomes:
    """Compare every two systems in every row; a pair with a missing rank is neither better nor tied."""
    r = np.asarray(ranks, dtype=np.float64)
    difference = r[:, :, None] - r[:, None, :]
    least = tolerance(r)[..., None]
    tied = np.abs(difference) <= least
    tied[:, np.arange(r.shape[1]), np.arange(r.shape[1])] = False
    return Outcomes(difference < -least, tied)


def mid_ranks(ranks: npt.ArrayLike) -> FloatArray:
    """Rank each row anew from 1, ties sharing the average of their places; NaN stays."""
    r = np.asarray(ranks, dtype=np.float64)
    found = outcomes(r)
    places = 1 + found.better.sum(axis=1) + found.tied.sum(axis=1) / 2
    return np.where(np.isnan(r), np.nan, places)


class HeadToHead(NamedTuple):
    """Shares of rows in which both systems were ranked; float[systems, systems], NaN on the diagonal and where there is none."""

    wins: FloatArray
    """[i, j]: i strictly better than j (MedAlign, Figure 2)."""
    ties: FloatArray
    n: npt.NDArray[np.int64]
    """Rows behind each cell."""


def head_to_head(ranks: npt.ArrayLike) -> HeadToHead:
    """Share of strict wins and of ties of every two systems."""
    found = outcomes(ranks)
    better, tied = found.better.sum(axis=0), found.tied.sum(axis=0)
    n = better + better.T + tied
    return HeadToHead(_divide(better, n), _divide(tied, n), n)


class WinRates(NamedTuple):
    """Win rate of each system under a rule for ties."""

    matrix: FloatArray
    """(..., systems, systems); NaN where two systems never met (or, ties excluded, never differed)."""
    rates: FloatArray
    """(..., systems): mean over the opponents that count; NaN without any."""
    n_skipped: npt.NDArray[np.int64]
    """(...): ordered pairs of systems that were left out."""


def win_rates(better: npt.ArrayLike, tied: npt.ArrayLike, rule: TieRule = "excluded") -> WinRates:
    """Win rates from counts of wins and ties.

    ``excluded``: wins / (wins + losses), which is what MedAlign's Table 3 prints; ``half``: a tie is half a win; ``strict``: a
    tie is no win. Under the first two, w_ij + w_ji = 1 and the rates of K systems sum to K / 2.

    Args:
        better: (..., systems, systems), weighted counts of i better than j.
        tied: (..., systems, systems).
        rule: for ties.
    """
    b, t = np.asarray(better, dtype=np.float64), np.asarray(tied, dtype=np.float64)
    losses = np.swapaxes(b, -1, -2)
    if rule == "excluded":
        matrix = _divide(b, b + losses)
    elif rule == "half":
        matrix = _divide(b + t / 2, b + losses + t)
    elif rule == "strict":
        matrix = _divide(b, b + losses + t)
    else:
        raise ValueError(f"unknown rule '{rule}' (excluded, half or strict)")
    opponents = np.isfinite(matrix)
    k = matrix.shape[-1]
    rates = _divide(np.where(opponents, matrix, 0.0).sum(axis=-1), opponents.sum(axis=-1))
    skipped: npt.NDArray[np.int64] = k * (k - 1) - opponents.sum(axis=(-1, -2))
    return WinRates(matrix, rates, skipped)


def win_rates_of(ranks: npt.ArrayLike, rule: TieRule = "excluded") -> WinRates:
    """Win rates of the systems of a matrix of ranks."""
    found = outcomes(ranks)
    return win_rates(found.better.sum(axis=0), found.tied.sum(axis=0), rule)


def mean_ranks(ranks: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Mean mid-rank of each system and the rows behind it; NaN for none."""
    places = mid_ranks(ranks)
    n = (~np.isnan(places)).sum(axis=0)
    return _divide(np.nansum(places, axis=0), n), n


def _divide(numerator: npt.NDArray[np.generic], denominator: npt.NDArray[np.generic]) -> FloatArray:
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out
