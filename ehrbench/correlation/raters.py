"""How far raters agree with one another: the ceiling of every metric."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.human import Share, inter_rater, item_clusters, mean_of_defined, number
from ehrbench.correlation.options import Clusters, Options
from ehrbench.correlation.ratings import Rankings
from ehrbench.stats.agreement import Level, alpha_without_each, kendall_w, krippendorff_alpha
from ehrbench.stats.interval import interval, spread
from ehrbench.stats.item_means import MeanInterval, mean
from ehrbench.stats.rank_correlation import kendall, pair_counts
from ehrbench.stats.win_rates import mid_ranks

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RaterPair:
    """Two raters on the items that both ranked."""

    a: str
    b: str
    tau: float | None
    n: int
    """Items with a defined tau."""


@dataclass(frozen=True)
class AgreementReport:
    """Everything that ``agreement`` prints."""

    alpha: Share
    """Krippendorff's, ordinal, of mid-ranks; n: answers with two ratings or more."""
    alpha_verdicts: Share | None
    """The same, nominal, of right and wrong; None without verdicts."""
    w: MeanInterval
    """Kendall's coefficient of concordance, mean over items on which all raters ranked every system."""
    tau: MeanInterval
    """Mean over items of the mean over pairs of raters."""
    variant: str
    pairs: list[RaterPair]
    n_items: int
    """Items with several rankings."""
    n_raters: int
    n_w_undefined: int
    n_tau_undefined: int
    interval: str
    notes: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""

        def named(one: Any) -> Any:
            return None if one is None else one._asdict()

        plain = asdict(self)
        for key in ("alpha", "alpha_verdicts", "w", "tau"):
            plain[key] = named(getattr(self, key))
        return plain


def rater_agreement(rankings: Rankings, options: Options) -> AgreementReport:
    """Compute the agreement of the raters of any ratings; values that need two raters are None without them."""
    clusters = item_clusters(rankings, options)
    places = mid_ranks(rankings.ranks)
    tau, tau_undefined = inter_rater(rankings, options)
    w = np.full(len(rankings.items), np.nan)
    for item in np.flatnonzero(np.bincount(rankings.item, minlength=len(rankings.items)) > 1):
        rows = rankings.ranks[rankings.item == item]
        ranked = ~np.isnan(rows).all(axis=0)
        w[item] = kendall_w(rows[:, ranked])
    concordance = mean_of_defined(w, clusters, (0.0, 1.0))
    verdicts = None if np.isnan(rankings.correct).all() else _alpha(rankings, rankings.correct, "nominal", clusters)
    return AgreementReport(
        alpha=_alpha(rankings, places, "ordinal", clusters),
        alpha_verdicts=verdicts,
        w=concordance,
        tau=tau,
        variant=options.tau,
        pairs=_pairs(rankings, options),
        n_items=rankings.n_repeated,
        n_raters=rankings.n_raters,
        n_w_undefined=rankings.n_repeated - concordance.n,
        n_tau_undefined=tau_undefined,
        interval=clusters.describe(),
        notes=rankings.notes,
    )


def _alpha(rankings: Rankings, values: FloatArray, level: Level, clusters: Clusters) -> Share:
    """Alpha over the answers: a unit is one system's answer to one item, a rating its place, or its verdict."""
    systems = len(rankings.systems)
    sizes = np.bincount(rankings.item, minlength=len(rankings.items))
    table = np.full((int(sizes.max()), len(rankings.items), systems), np.nan)
    filled = np.zeros(len(rankings.items), dtype=np.intp)
    for row, item in enumerate(rankings.item.tolist()):
        table[filled[item], item] = values[row]
        filled[item] += 1
    flat = table.reshape(len(table), -1)
    several = (~np.isnan(flat)).sum(axis=0) > 1
    n = int(several.sum())
    value = number(krippendorff_alpha(flat, level))
    names, codes = np.unique(np.repeat(clusters.codes, systems)[several], return_inverse=True)
    if value is None or len(names) < 2:
        return Share(value, None, None, n)
    without = alpha_without_each(flat[:, several], codes.ravel(), len(names), level)
    if np.isnan(without).any():
        return Share(value, None, None, n)
    ends = interval(spread(value, without, len(names) - 1, len(names)), (-1.0, 1.0))
    low, high = ends or (None, None)
    return Share(value, low, high, n)


def _pairs(rankings: Rankings, options: Options) -> list[RaterPair]:
    names = sorted(set(rankings.raters))
    of = {name: {int(rankings.item[row]): row for row, rater in enumerate(rankings.raters) if rater == name} for name in names}
    found = []
    for a, b in combinations(names, 2):
        items = sorted(of[a].keys() & of[b].keys())
        if not items:
            continue
        one, two = (-rankings.ranks[[of[name][item] for item in items]] for name in (a, b))
        values = kendall(pair_counts(one, two), options.tau)
        found.append(RaterPair(a, b, number(float(mean(values))), int((~np.isnan(values)).sum())))
    return found
