"""Which metric agrees with people: each metric's ranking of the answers beside theirs, with intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.human import inter_rater, item_clusters, number
from ehrbench.correlation.options import NAN_POLICIES, Clusters, Options
from ehrbench.correlation.ratings import Judged, Rankings, judge
from ehrbench.correlation.scores import Scores, align
from ehrbench.errors import UsageError
from ehrbench.stats.bootstrap import resample_counts, resample_indices
from ehrbench.stats.estimate import normal_interval
from ehrbench.stats.item_means import MeanInterval, mean, mean_intervals, mean_within
from ehrbench.stats.metric_pairs import PairTests, compare_metrics
from ehrbench.stats.rank_correlation import (
    NanPolicy,
    TieCalibration,
    Variant,
    calibrate_ties,
    kendall,
    pair_counts,
    weighted_values,
    with_nan_policy,
)
from ehrbench.stats.soft_pairwise import SoftPairwise, soft_pairwise_accuracy, soft_pairwise_stderr
from ehrbench.stats.subset_means import invert
from ehrbench.stats.win_rates import HeadToHead, TieRule, head_to_head, mid_ranks, win_rates_of

FloatArray = npt.NDArray[np.float64]
WEIGHTED_CELLS = 1 << 21
"""Values of items under weighted systems that are held at a time (five arrays of 16 MB)."""
VARIANTS: tuple[Variant, ...] = ("b", "c", "a", "wmt", "acc_eq", "tau_eq")
LABELS: dict[Variant, str] = {
    "a": "Kendall tau-a",
    "b": "Kendall tau-b",
    "c": "Kendall tau-c",
    "wmt": "Kendall tau of WMT",
    "acc_eq": "pairwise accuracy with ties",
    "tau_eq": "Kendall tau with tie credit",
}


@dataclass(frozen=True)
class ModelLevel:
    """Agreement on the systems' means, over the items on which every system has rank and score."""

    tau: float | None
    """Of mean mid-ranks and mean scores; few systems have few pairs."""
    soft: SoftPairwise
    low: float | None
    """Of soft pairwise accuracy: normal interval from a jackknife over clusters."""
    high: float | None


@dataclass(frozen=True)
class MetricReport:
    """One metric beside the people."""

    name: str
    label: str
    signature: str
    value: MeanInterval
    """The chosen statistic."""
    policies: dict[NanPolicy, float | None]
    """Its mean under each rule for undefined items."""
    variants: dict[Variant, float | None]
    """Mean of every variant, under the chosen rule."""
    n_human_constant: int
    """Rankings in which people prefer nothing."""
    n_metric_constant: int
    """Rankings in which only the metric prefers nothing."""
    n_too_few: int
    """Rankings with fewer than two systems that have both values."""
    accuracy: MeanInterval
    """Pairwise accuracy with ties, of the scores as they are."""
    calibration: TieCalibration
    """Ours; its ``accuracy`` means over rankings."""
    in_sample: float | None
    """Pairwise accuracy at the threshold that the items with a preference of people choose, mean over all items: ours."""
    acc_star: float | None
    """acc*eq of Deutsch, Foster and Freitag (2023): the same, all items choosing."""
    epsilon_star: float
    """The threshold of ``acc_star``."""
    calibrated: MeanInterval
    """Held-out pairwise accuracy, with an interval that takes the thresholds as given."""
    length: MeanInterval | None
    """Kendall tau-b of scores and answer lengths; None where lengths are unknown."""
    win_rates: dict[TieRule, list[float | None]]
    pairings: HeadToHead
    model_level: ModelLevel | None
    cluster: str


@dataclass(frozen=True)
class CorrelationReport:
    """Everything that ``correlate`` prints."""

    statistic: str
    metrics: list[MetricReport]
    """Best first."""
    tests: PairTests
    """Indices are those of ``metrics``."""
    systems: tuple[str, ...]
    """Order of the matrices."""
    inter_rater: MeanInterval
    n_inter_rater_undefined: int
    human_length: MeanInterval | None
    """Kendall tau-b of people's ranking and answer lengths."""
    n_items: int
    n_rankings: int
    n_groups: int
    triples: str
    interval: str
    population: str
    """Whom the intervals, and the p beside them, speak of."""
    letters: str
    """Whom the metrics' letters speak of."""
    options: Options
    notes: tuple[str, ...]


def correlate(rankings: Rankings, scores: Sequence[Scores], options: Options) -> CorrelationReport:
    """Compare metrics with people.

    Raises:
        UsageError: no metric, two of one name, scores that fit no rating, or options that do not go together.
    """
    _check(scores, options)
    judged = judge(rankings, options.triples)
    clusters = item_clusters(rankings, options)
    aligned = [align(one, rankings.items, rankings.systems) for one in scores]
    notes = [*rankings.notes, *judged.notes, *(note for _, found in aligned for note in found)]
    human, n_items = -judged.ranks, len(rankings.items)
    ranked = np.zeros((n_items, len(rankings.systems)), dtype=bool)
    np.logical_or.at(ranked, judged.item, ~np.isnan(judged.ranks))
    metrics = np.where(ranked, np.stack([matrix for matrix, _ in aligned]), np.nan)

    def agreement(matrix: FloatArray) -> FloatArray:
        counts = pair_counts(human, matrix[..., judged.item, :])
        return mean_within(with_nan_policy(counts, options.tau, options.nan_policy).values, judged.item, n_items)

    counts = pair_counts(human, metrics[:, judged.item])
    found = {p: with_nan_policy(counts, options.tau, p) for p in NAN_POLICIES}
    means = {p: mean(mean_within(found[p].values, judged.item, n_items)) for p in NAN_POLICIES}
    primary = mean_within(found[options.nan_policy].values, judged.item, n_items)
    accuracy = mean_within(kendall(counts, "acc_eq"), judged.item, n_items)
    each = {v: mean(mean_within(with_nan_policy(counts, v, options.nan_policy).values, judged.item, n_items)) for v in VARIANTS}
    held_by = clusters.codes[judged.item]
    ties = [calibrate_ties(human, matrix[judged.item], held_by, choosing="preferred") for matrix in metrics]
    published = [calibrate_ties(human, matrix[judged.item], held_by) for matrix in metrics]
    acc_star = mean(mean_within(np.stack([t.in_sample for t in published]), judged.item, n_items))
    calibrated = mean_within(np.stack([t.held_out for t in ties]), judged.item, n_items)
    in_sample = mean(mean_within(np.stack([t.in_sample for t in ties]), judged.item, n_items))
    stacked = [primary, accuracy, calibrated, *_lengths(rankings, judged, metrics)]
    values = np.concatenate(stacked)
    m = len(scores)
    intervals = [
        *mean_intervals(values[:m], clusters.groups, (-1.0, 1.0)),
        *mean_intervals(values[m : 3 * m], clusters.groups, (0.0, 1.0)),
        *mean_intervals(values[3 * m :], clusters.groups, (-1.0, 1.0)),
    ]
    gap_draws = None
    if options.unit == "both":
        draws, gap_draws = _draws_of_both(human, metrics, judged, n_items, clusters, options)
        both = [invert(column) for column in draws.T]
        intervals[:m] = [one._replace(low=test.low, high=test.high) for one, test in zip(intervals[:m], both, strict=True)]
    tests = compare_metrics(
        primary,
        metrics,
        agreement,
        clusters.codes,
        clusters.count,
        resamples=options.resamples,
        permutations=options.resamples,
        seed=options.seed,
        draws=gap_draws,
    )
    chosen = found[options.nan_policy]
    reports = [
        MetricReport(
            name=one.metric,
            label=one.label,
            signature=one.signature,
            value=intervals[i],
            policies={p: number(means[p][i]) for p in NAN_POLICIES},
            variants={v: number(each[v][i]) for v in VARIANTS},
            n_human_constant=int(chosen.n_human_constant[i]),
            n_metric_constant=int(chosen.n_metric_constant[i]),
            n_too_few=int(chosen.n_too_few[i]),
            accuracy=intervals[m + i],
            calibration=ties[i],
            in_sample=number(in_sample[i]),
            acc_star=number(acc_star[i]),
            epsilon_star=published[i].epsilon,
            calibrated=intervals[2 * m + i],
            length=intervals[3 * m + i] if len(stacked) > 3 else None,
            win_rates=_rates(metrics[i]),
            pairings=head_to_head(-metrics[i]),
            model_level=_model_level(rankings, judged, metrics[i], clusters, options) if options.level == "model" else None,
            cluster=_letter(int(tests.clusters[i])),
        )
        for i, one in enumerate(scores)
    ]
    order = sorted(range(m), key=lambda i: (-_headline(reports[i]), reports[i].name))
    tau, undefined = inter_rater(rankings, options)
    return CorrelationReport(
        statistic=f"mean {LABELS[options.tau]} over items" if options.level == "item" else "soft pairwise accuracy",
        metrics=[reports[i] for i in order],
        tests=_reordered(tests, order),
        systems=rankings.systems,
        inter_rater=tau,
        n_inter_rater_undefined=undefined,
        human_length=intervals[-1] if len(stacked) > 3 else None,
        n_items=int(ranked.any(axis=1).sum()),
        n_rankings=len(judged.item),
        n_groups=clusters.count,
        triples=judged.rule,
        interval=clusters.describe(options.resamples),
        population=clusters.population(len(rankings.systems)),
        letters=f"these {int(ranked.any(axis=1).sum())} items and {len(rankings.systems)} systems (PERM-BOTH, Holm, 0.05)",
        options=options,
        notes=tuple(dict.fromkeys(notes)),
    )


def _check(scores: Sequence[Scores], options: Options) -> None:
    if not scores:
        raise UsageError("there is no metric to correlate: name some with --metrics, or a table with --scores")
    names = [one.metric for one in scores]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        places = " and ".join(one.source for one in scores if one.metric == twice[0])
        raise UsageError(f"metric '{twice[0]}' is scored twice, in {places}; rename one or leave it out")
    if options.unit == "both" and options.tau == "c":
        raise UsageError(
            "--resample both and --tau c do not go together: tau-c has no form for a system drawn twice; use --tau b"
        )


def _headline(report: MetricReport) -> float:
    value = report.model_level.soft.accuracy if report.model_level else report.value.value
    return -np.inf if value is None or np.isnan(value) else value


def _letter(cluster: int) -> str:
    letters = ""
    while cluster > 0:
        cluster, rest = divmod(cluster - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _reordered(tests: PairTests, order: Sequence[int]) -> PairTests:
    """The tests with the metrics numbered as they are shown, each pair's better one first."""
    place = {old: new for new, old in enumerate(order)}
    pairs = []
    for pair in tests.pairs:
        a, b = place[pair.a], place[pair.b]
        if a < b:
            pairs.append(pair._replace(a=a, b=b))
        else:
            turned = [None if x is None else -x for x in (pair.difference, pair.high, pair.low)]
            pairs.append(pair._replace(a=b, b=a, difference=turned[0], low=turned[1], high=turned[2]))
    return PairTests(sorted(pairs, key=lambda p: (p.a, p.b)), tests.clusters[list(order)], tests.permutations)


def _lengths(rankings: Rankings, judged: Judged, metrics: FloatArray) -> list[FloatArray]:
    """Agreement of scores, and of people, with the answers' lengths: [metrics, items] and [1, items]; empty if unknown."""
    if rankings.lengths is None:
        return []
    human = kendall(pair_counts(rankings.lengths[judged.item], -judged.ranks), "b")
    return [
        kendall(pair_counts(rankings.lengths, metrics), "b"),
        mean_within(human[None], judged.item, len(rankings.items)),
    ]


def _rates(matrix: FloatArray) -> dict[TieRule, list[float | None]]:
    rules: tuple[TieRule, ...] = ("excluded", "half", "strict")
    return {rule: [number(rate) for rate in win_rates_of(-matrix, rule).rates] for rule in rules}


def _draws_of_both(
    human: FloatArray, metrics: FloatArray, judged: Judged, n_items: int, clusters: Clusters, options: Options
) -> tuple[FloatArray, FloatArray]:
    """Resampled means of each metric, and of each pair's difference, with items and systems drawn anew each time."""
    systems, m = metrics.shape[2], len(metrics)
    blocks = resample_indices(systems, options.resamples, options.seed + 1)
    drawn = np.concatenate([resample_counts(block) for block in blocks])
    weights, place = np.unique(drawn, axis=0, return_inverse=True)
    order = np.argsort(place.ravel(), kind="stable")
    bounds = np.searchsorted(place.ravel()[order], np.arange(len(weights) + 1))
    counts = np.concatenate(
        [resample_counts(block) for block in resample_indices(clusters.count, options.resamples, options.seed)]
    )
    first, second = np.array(list(combinations(range(m), 2)), dtype=np.intp).reshape(-1, 2).T
    out = np.full((options.resamples, m + len(first)), np.nan)
    rows_at_once = max(16, WEIGHTED_CELLS // max(1, m * len(judged.item)))
    for start in range(0, len(weights), rows_at_once):
        some = weights[start : start + rows_at_once]
        rows = weighted_values(human, metrics[:, judged.item], some, options.tau, options.nan_policy)
        for k, values in enumerate(mean_within(rows, judged.item, n_items), start):
            here = order[bounds[k] : bounds[k + 1]]
            every = np.concatenate([values, values[first] - values[second]])
            defined = ~np.isnan(every)
            sums = counts[here].astype(np.float64) @ np.concatenate([np.where(defined, every, 0.0), defined]).T
            total, n = sums[:, : len(every)], sums[:, len(every) :]
            out[here] = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
    return out[:, :m], out[:, m:]


def _model_level(rankings: Rankings, judged: Judged, matrix: FloatArray, clusters: Clusters, options: Options) -> ModelLevel:
    places = -mean_within(mid_ranks(judged.ranks).T, judged.item, len(rankings.items)).T
    complete = ~(np.isnan(places) | np.isnan(matrix)).any(axis=1)
    tau = None
    if complete.any():
        tau = number(kendall(pair_counts([places[complete].mean(axis=0)], [matrix[complete].mean(axis=0)]), options.tau)[0])
    permutations = min(options.resamples, 1000)
    soft = soft_pairwise_accuracy(places, matrix, permutations=permutations, seed=options.seed)
    stderr = soft_pairwise_stderr(places, matrix, clusters.codes, permutations=permutations, seed=options.seed)
    if np.isnan(soft.accuracy) or np.isnan(stderr):
        return ModelLevel(tau, soft, None, None)
    low, high = normal_interval(soft.accuracy, stderr)
    return ModelLevel(tau, soft, max(0.0, low), min(1.0, high))
