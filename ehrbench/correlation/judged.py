"""How far a judge agrees with raters, compared with raters among themselves: may it go on alone?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.human import inter_rater_values, item_clusters, mean_of_defined
from ehrbench.correlation.options import Options
from ehrbench.correlation.ratings import Rankings
from ehrbench.errors import UsageError
from ehrbench.stats.interval import Bounds
from ehrbench.stats.item_means import MeanInterval, mean
from ehrbench.stats.rank_correlation import kendall, pair_counts

FloatArray = npt.NDArray[np.float64]


class JudgeAgreement(NamedTuple):
    """One judge beside the raters. Every tau is of two rankings of one item's answers."""

    judge: str
    with_raters: MeanInterval
    """Mean over items of the mean tau of the judge and each of the item's raters."""
    common: MeanInterval
    """The same on the items that several raters ranked."""
    raters: MeanInterval
    """Mean over those items of the mean tau of two raters."""
    difference: MeanInterval
    """``common`` minus ``raters``, item by item: not below zero where the judge is as good a rater as another rater."""
    n_missing: int
    """Rated answers that the judge has no score for."""

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {k: v._asdict() if isinstance(v, MeanInterval) else v for k, v in self._asdict().items()}


def judge_agreement(rankings: Rankings, judge: str, scores: Mapping[tuple[str, str], float], options: Options) -> JudgeAgreement:
    """Compare a judge's order of an item's answers with each rater's, and raters' with one another.

    Args:
        rankings: of the raters.
        judge: for the report.
        scores: (item, system) to the judge's score, high is good.
        options: which tau, and whether intervals are by patient.

    Raises:
        UsageError: the judge scored none of the rated answers.
    """
    table = np.array([[scores.get((item, system), np.nan) for system in rankings.systems] for item in rankings.items])
    if np.isnan(table).all():
        raise UsageError(
            f"judge '{judge}' has no score for any answer that {rankings.source} rates: items or systems are named differently"
        )
    taus = kendall(pair_counts(-rankings.ranks, table[rankings.item]), options.tau)
    values = np.array([float(mean(taus[rankings.item == k])) for k in range(len(rankings.items))])
    raters = inter_rater_values(rankings, options.tau)
    both = np.where(np.isnan(raters) | np.isnan(values), np.nan, 1.0)
    clusters = item_clusters(rankings, options)
    rated = np.zeros(table.shape, dtype=bool)
    np.logical_or.at(rated, rankings.item, ~np.isnan(rankings.ranks))

    def found(numbers: FloatArray, bounds: Bounds = (-1.0, 1.0)) -> MeanInterval:
        return mean_of_defined(numbers, clusters, bounds)

    return JudgeAgreement(
        judge=judge,
        with_raters=found(values),
        common=found(values * both),
        raters=found(raters * both),
        difference=found((values - raters) * both, (-2.0, 2.0)),
        n_missing=int((rated & np.isnan(table)).sum()),
    )
