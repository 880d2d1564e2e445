"""What people said of the systems: verdicts, win rates, mean ranks, pairings and how far the raters agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.options import Clusters, Options
from ehrbench.correlation.ratings import Judged, Rankings, judge
from ehrbench.errors import UsageError
from ehrbench.stats.estimate import resample_counts, resample_indices, wilson
from ehrbench.stats.rank_correlation import Variant
from ehrbench.stats.resampled_means import MeanInterval, mean_intervals, mean_within, percentiles, resampled_means
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
    """Share of answers judged correct, with Wilson's interval; None without verdicts."""
    n_correct: float
    """Verdicts "correct"; a fraction where several raters' verdicts on an item are averaged."""
    correct_bootstrap: MeanInterval | None
    """The same share with the bootstrap's interval."""
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
        UsageError: ``patients`` are to be resampled and no item has one.
    """
    clusters = item_clusters(rankings, options)
    judged = judge(rankings, options.triples)
    n_items = len(rankings.items)
    ranks = mean_within(mid_ranks(judged.ranks).T, judged.item, n_items)
    correct = mean_within(judged.correct.T, judged.item, n_items)
    draws = resampled_means(
        np.concatenate([ranks, correct]), clusters.codes, clusters.count, resamples=options.resamples, seed=options.seed
    )
    k = len(rankings.systems)
    mean_rank = mean_intervals(ranks, draws[:, :k], clusters.groups)
    share_correct = mean_intervals(correct, draws[:, k:], clusters.groups)
    found = outcomes(judged.ranks)
    rates = _win_rates(found.better, found.tied, judged, clusters, options)
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
            _system(rankings.systems[s], correct[s], share_correct[s], {r: rates[r][s] for r in TIE_RULES}, mean_rank[s])
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
        interval=clusters.describe(options.resamples),
        notes=(*rankings.notes, *judged.notes),
    )


def item_clusters(rankings: Rankings, options: Options) -> Clusters:
    """What the bootstrap draws.

    Raises:
        UsageError: patients, and no item has one.
    """
    if options.unit == "patients" and not any(rankings.groups):
        raise UsageError(f"{rankings.source}: no item has a cluster, so patients cannot be resampled; add a column 'cluster'")
    return Clusters(rankings.groups, options.unit)


def inter_rater(rankings: Rankings, options: Options, variant: Variant | None = None) -> tuple[MeanInterval, int]:
    """Mean Kendall tau between raters, an item's rater pairs averaged first, and the items where it is undefined."""
    values = inter_rater_values(rankings, variant or options.tau)
    found = mean_of_defined(values, item_clusters(rankings, options), options)
    return found, rankings.n_repeated - found.n


def mean_of_defined(values: FloatArray, clusters: Clusters, options: Options) -> MeanInterval:
    """Mean over the items that have a value, drawing the clusters of those items alone."""
    kept = np.flatnonzero(~np.isnan(values))
    if not len(kept):
        return MeanInterval(None, None, None, None, None, 0)
    names, codes = np.unique(clusters.codes[kept], return_inverse=True)
    draws = resampled_means(values[None, kept], codes.ravel(), len(names), resamples=options.resamples, seed=options.seed)
    return mean_intervals(values[None, kept], draws, [clusters.groups[i] for i in kept.tolist()])[0]


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
    # The WMT variant treats its two sides unlike, and neither rater is the metric.
    return (values + rater_tau(table[:, ::-1], variant)) / 2 if variant == "wmt" else values


def _win_rates(
    better: npt.NDArray[np.bool_], tied: npt.NDArray[np.bool_], judged: Judged, clusters: Clusters, options: Options
) -> dict[TieRule, list[Share]]:
    rows, k, _ = better.shape
    flat = np.concatenate([better.reshape(rows, -1), tied.reshape(rows, -1)], axis=1) * judged.weight[:, None]
    summed = np.zeros((clusters.count, flat.shape[1]))
    np.add.at(summed, clusters.codes[judged.item], flat)
    blocks = resample_indices(clusters.count, options.resamples, options.seed)
    drawn = np.concatenate([resample_counts(indices).astype(np.float64) @ summed for indices in blocks])
    met: npt.NDArray[np.bool_] = np.asarray((better | tied).any(axis=2))
    n = [len(set(judged.item[met[:, s]].tolist())) for s in range(k)]
    found: dict[TieRule, list[Share]] = {}
    whole, drawn = flat.sum(axis=0).reshape(2, k, k), drawn.reshape(-1, 2, k, k)
    for rule in TIE_RULES:
        values = win_rates(whole[0], whole[1], rule).rates
        ends = percentiles(win_rates(drawn[:, 0], drawn[:, 1], rule).rates)
        if clusters.count < 2:
            ends = np.full_like(ends, np.nan)
        found[rule] = [Share(number(values[s]), number(ends[0, s]), number(ends[1, s]), n[s]) for s in range(k)]
    return found


def _system(
    name: str, correct: FloatArray, bootstrap: MeanInterval, rates: dict[TieRule, Share], mean_rank: MeanInterval
) -> SystemStats:
    judged = correct[~np.isnan(correct)]
    total = float(judged.sum())
    share = None
    if len(judged):
        whole = bool(np.isin(judged, (0.0, 1.0)).all())
        ends = wilson(round(total), len(judged)) if whole else (bootstrap.low, bootstrap.high)
        share = Share(total / len(judged), *ends, len(judged))
    return SystemStats(name, share, total, bootstrap if len(judged) else None, rates, mean_rank)


def number(x: float) -> float | None:
    """A number, or None for NaN."""
    return None if np.isnan(x) else float(x)
