"""What people said of the systems: verdicts, win rates, mean ranks, pairings and how far the raters agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.options import Clusters, Options
from ehrbench.correlation.ratings import Judged, Rankings, judge
from ehrbench.errors import UsageError
from ehrbench.stats.clusters import cluster_sums, degrees_of_freedom
from ehrbench.stats.interval import Bounds, interval, spread
from ehrbench.stats.item_means import MeanInterval, mean_intervals, mean_within
from ehrbench.stats.rank_correlation import Variant
from ehrbench.stats.win_rates import HeadToHead, TieRule, head_to_head, mid_ranks, outcomes, win_rates

FloatArray = npt.NDArray[np.float64]

TIE_RULES: tuple[TieRule, ...] = ("excluded", "half", "strict")


class Share(NamedTuple):
    """A number with its interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class SystemStats:
    """One system, as people judged it."""

    name: str
    correct: Share | None
    """Share of answers judged correct; None without verdicts."""
    n_correct: float
    """Verdicts "correct"; a fraction where several raters' verdicts on an item are averaged."""
    win_rates: dict[TieRule, Share]
    mean_rank: MeanInterval


@dataclass(frozen=True)
class HumanReport:
    """Everything that ``human-stats`` prints."""

    systems: list[SystemStats]
    """Best mean rank first."""
    names: tuple[str, ...]
    """Order of the matrices: as ``systems``."""
    pairings: HeadToHead
    """Strict wins and ties."""
    win_matrices: dict[TieRule, FloatArray]
    tie_share: float | None
    """Of all pairings."""
    inter_rater: MeanInterval
    n_inter_rater_undefined: int
    """Items with several rankings on which no two raters have a tau."""
    n_items: int
    """Items with a ranking that counts."""
    n_raters: int
    n_repeated: int
    n_constant: int
    """Items on which all ranks are equal."""
    triples: str
    interval: str
    notes: tuple[str, ...]


def human_stats(rankings: Rankings, options: Options) -> HumanReport:
    """Compute the statistics of MedAlign's human evaluation (paper, Table 3 and Figure 2) from any ratings.

    Raises:
        UsageError: ``patients`` are asked for and no item has one.
    """
    clusters = item_clusters(rankings, options)
    judged = judge(rankings, options.triples)
    n_items = len(rankings.items)
    ranks = mean_within(mid_ranks(judged.ranks).T, judged.item, n_items)
    correct = mean_within(judged.correct.T, judged.item, n_items)
    k = len(rankings.systems)
    mean_rank = mean_intervals(ranks, clusters.groups, (1.0, float(k)) if k > 1 else None)
    share_correct = mean_intervals(correct, clusters.groups, (0.0, 1.0))
    found = outcomes(judged.ranks)
    rates = _win_rates(found.better, found.tied, judged, clusters)
    counts = np.tensordot(judged.weight, np.stack([found.better, found.tied], axis=1).astype(np.float64), axes=(0, 0))
    order = sorted(range(k), key=lambda s: (mean_rank[s].value if mean_rank[s].value is not None else np.inf, s))
    reorder = np.ix_(order, order)
    pairings = head_to_head(judged.ranks)
    tau, undefined = inter_rater(rankings, options)
    ranked = ~np.isnan(judged.ranks)
    decided = found.better.sum() + found.tied.sum() / 2
    constant = (ranked.sum(axis=1) >= 2) & ~found.better.any(axis=(1, 2))
    return HumanReport(
        systems=[
            SystemStats(
                rankings.systems[s],
                None if (share := share_correct[s]).value is None else Share(share.value, share.low, share.high, share.n),
                float(np.nansum(correct[s])),
                {rule: rates[rule][s] for rule in TIE_RULES},
                mean_rank[s],
            )
            for s in order
        ],
        names=tuple(rankings.systems[s] for s in order),
        pairings=HeadToHead(pairings.wins[reorder], pairings.ties[reorder], pairings.n[reorder]),
        win_matrices={rule: win_rates(counts[0], counts[1], rule).matrix[reorder] for rule in TIE_RULES},
        tie_share=float(found.tied.sum() / 2 / decided) if decided else None,
        inter_rater=tau,
        n_inter_rater_undefined=undefined,
        n_items=len(set(judged.item[ranked.any(axis=1)].tolist())),
        n_raters=rankings.n_raters,
        n_repeated=rankings.n_repeated,
        n_constant=len(set(judged.item[constant].tolist())),
        triples=judged.rule,
        interval=clusters.describe(),
        notes=(*rankings.notes, *judged.notes),
    )


def item_clusters(rankings: Rankings, options: Options) -> Clusters:
    """What an interval leaves out one by one.

    Raises:
        UsageError: patients, and no item has one.
    """
    if options.unit == "patients" and not any(rankings.groups):
        raise UsageError(
            f"{rankings.source}: no item has a cluster, so nothing can be computed by patient; add a column 'cluster'"
        )
    return Clusters(rankings.groups, options.unit)


def inter_rater(rankings: Rankings, options: Options, variant: Variant | None = None) -> tuple[MeanInterval, int]:
    """Mean Kendall tau between raters, an item's rater pairs averaged first, and the items where it is undefined."""
    values = inter_rater_values(rankings, variant or options.tau)
    found = mean_of_defined(values, item_clusters(rankings, options), (-1.0, 1.0))
    return found, rankings.n_repeated - found.n


def mean_of_defined(values: FloatArray, clusters: Clusters, bounds: Bounds) -> MeanInterval:
    """Mean over the items that have a value."""
    return mean_intervals(values[None], clusters.groups, bounds)[0]


def inter_rater_values(rankings: Rankings, variant: Variant) -> FloatArray:
    """Mean tau over an item's pairs of raters: [items], NaN for items with one rater or no defined pair."""
    from ehrbench.stats.agreement import rater_tau

    sizes = np.bincount(rankings.item, minlength=len(rankings.items))
    table = np.full((len(rankings.items), max(2, int(sizes.max())), len(rankings.systems)), np.nan)
    place = np.zeros(len(rankings.items), dtype=np.intp)
    for row, item in enumerate(rankings.item.tolist()):
        table[item, place[item]] = -rankings.ranks[row]
        place[item] += 1
    values = rater_tau(table, variant)
    # The WMT variant treats its two sides differently, and neither rater is the metric.
    return (values + rater_tau(table[:, ::-1], variant)) / 2 if variant == "wmt" else values


def _win_rates(
    better: npt.NDArray[np.bool_], tied: npt.NDArray[np.bool_], judged: Judged, clusters: Clusters
) -> dict[TieRule, list[Share]]:
    rows, k, _ = better.shape
    flat = np.concatenate([better.reshape(rows, -1), tied.reshape(rows, -1)], axis=1) * judged.weight[:, None]
    summed = cluster_sums(flat, clusters.codes[judged.item], clusters.count)
    whole = summed.sum(axis=0)
    rest = (whole - summed).reshape(-1, 2, k, k)
    # Items on which a system lost count for its rate as those on which it won do.
    met: npt.NDArray[np.bool_] = (better | better.transpose(0, 2, 1) | tied).any(axis=2)
    sizes = cluster_sums(met.astype(np.float64), clusters.codes[judged.item], clusters.count)
    n = [len(set(judged.item[met[:, s]].tolist())) for s in range(k)]
    found: dict[TieRule, list[Share]] = {}
    for rule in TIE_RULES:
        values = win_rates(whole.reshape(2, k, k)[0], whole.reshape(2, k, k)[1], rule).rates
        without = win_rates(rest[:, 0], rest[:, 1], rule).rates
        found[rule] = [_win_rate(values[s], without[:, s], sizes[:, s], n[s]) for s in range(k)]
    return found


def _win_rate(value: float, without: FloatArray, sizes: FloatArray, n: int) -> Share:
    """A system's rate with its interval, from the rates without each cluster."""
    if np.isnan(value):
        return Share(None, None, None, n)
    if np.isnan(without).any() or len(without) < 2:
        return Share(float(value), None, None, n)
    one = spread(float(value), without, degrees_of_freedom(sizes), int((sizes > 0).sum()))
    low, high = interval(one, (0.0, 1.0)) or (None, None)
    return Share(float(value), low, high, n)


def number(x: float) -> float | None:
    """A number, or None for NaN."""
    return None if np.isnan(x) else float(x)
