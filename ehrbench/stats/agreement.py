"""How far raters agree with one another: the ceiling of every metric that is compared with them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ehrbench.stats.clusters import cluster_sums
from ehrbench.stats.rank_correlation import Variant, kendall, pair_counts

FloatArray = npt.NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]


def krippendorff_alpha(ratings: npt.ArrayLike, level: Level = "ordinal") -> float:
    """Krippendorff's alpha: 1 - observed disagreement / disagreement expected by chance.

    Units with fewer than two ratings are left out. NaN without any pair of ratings, or when all ratings are equal (there is
    nothing to disagree about, and nothing to agree about).

    Args:
        ratings: float[raters, units], NaN = missing.
        level: distance of two values. Ordinal: the ratings from one to the other, both ends half.
    """
    table = np.asarray(ratings, dtype=np.float64)
    table = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    if not table.size:
        return float("nan")
    values = np.unique(table[~np.isnan(table)])
    if len(values) < 2:
        return float("nan")
    counts = np.array([(table == value).sum(axis=0) for value in values], dtype=np.float64)  # values x units
    raters = counts.sum(axis=0)
    # Ordered pairs of values within a unit, each unit weighing as its number of raters.
    coincidences = (counts / (raters - 1)) @ counts.T - np.diag((counts / (raters - 1)).sum(axis=1))
    totals = counts.sum(axis=1)
    distance = _distance(values, totals, level)
    expected = float(totals @ distance @ totals)
    return 1 - (float(totals.sum()) - 1) * float((coincidences * distance).sum()) / expected


def alpha_without_each(ratings: npt.ArrayLike, codes: npt.ArrayLike, n_groups: int, level: Level = "ordinal") -> FloatArray:
    """Krippendorff's alpha [C] without each cluster of units in turn; NaN where one value is left.

    Args:
        ratings: float[raters, units], NaN = missing.
        codes: int[units], the cluster of each unit, 0..n_groups-1.
        n_groups: clusters.
        level: distance of two values.
    """
    table = np.asarray(ratings, dtype=np.float64)
    usable = (~np.isnan(table)).sum(axis=0) >= 2
    table, groups = table[:, usable], np.asarray(codes)[usable]
    values = np.unique(table[~np.isnan(table)])
    v = len(values)
    counts = np.array([(table == value).sum(axis=0) for value in values], dtype=np.float64).reshape(v, table.shape[1])
    share = counts / np.maximum(counts.sum(axis=0) - 1, 1)
    coincidences = share.T[:, :, None] * counts.T[:, None, :]
    coincidences[:, np.arange(v), np.arange(v)] -= share.T
    summed = cluster_sums(np.concatenate([coincidences.reshape(-1, v * v), counts.T], axis=1), groups, n_groups)
    rest = summed.sum(axis=0) - summed
    observed, totals = rest[:, : v * v].reshape(-1, v, v), rest[:, v * v :]
    distance = _distance(values, totals, level)
    expected = np.einsum("bi,bij,bj->b", totals, np.broadcast_to(distance, observed.shape), totals)
    found = (totals.sum(axis=1) - 1) * (observed * distance).sum(axis=(1, 2))
    out = np.full(n_groups, np.nan)
    np.divide(found, expected, out=out, where=expected > 0)
    return 1 - out


def _distance(values: FloatArray, totals: FloatArray, level: Level) -> FloatArray:
    """Squared distance (..., values, values) of every two values; ``totals`` (..., values) matters to the ordinal one only."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    if level == "ordinal":
        middles = np.cumsum(totals, axis=-1) - totals / 2
        return np.asarray((middles[..., :, None] - middles[..., None, :]) ** 2, dtype=np.float64)
    raise ValueError(f"unknown level '{level}' (nominal, ordinal or interval)")


def kendall_w(ratings: npt.ArrayLike) -> float:
    """Kendall's coefficient of concordance of raters who all ranked the same objects, corrected for ties.

    12 S / (m^2 (n^3 - n) - m sum(t^3 - t)), S the squared deviations of the objects' rank sums. NaN for fewer than two objects or
    raters, a missing rating, or raters who tie everything.

    Args:
        ratings: float[raters, objects]; only the order of a rater's values counts.
    """
    from ehrbench.stats.win_rates import mid_ranks

    table = np.asarray(ratings, dtype=np.float64)
    m, n = table.shape
    if m < 2 or n < 2 or np.isnan(table).any():
        return float("nan")
    ranks = mid_ranks(table)
    sums = ranks.sum(axis=0)
    ties = sum(float(((t := np.unique(row, return_counts=True)[1]) ** 3 - t).sum()) for row in ranks)
    denominator = m**2 * (n**3 - n) - m * ties
    return 12 * float(((sums - sums.mean()) ** 2).sum()) / denominator if denominator else float("nan")


def rater_tau(ratings: npt.ArrayLike, variant: Variant = "b") -> FloatArray:
    """Mean Kendall tau over the pairs of raters of each item; undefined pairs are left out, NaN for an item with none.

    The unit is the item, as in MedAlign: average the result over items and resample items.

    Args:
        ratings: float[items, raters, systems], NaN = missing; ranks or scores, alike for all raters.
        variant: of tau.
    """
    table = np.asarray(ratings, dtype=np.float64)
    first, second = np.triu_indices(table.shape[1], 1)
    taus = np.array([kendall(pair_counts(table[:, a], table[:, b]), variant) for a, b in zip(first, second, strict=True)])
    out = np.full(len(table), np.nan)
    if not len(taus):
        return out
    defined = ~np.isnan(taus)
    n = defined.sum(axis=0)
    np.divide(np.where(defined, taus, 0.0).sum(axis=0), n, out=out, where=n > 0)
    return out
