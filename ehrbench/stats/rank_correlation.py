"""How well a metric ranks the systems' answers to an item, compared with people: Kendall's tau and its kin, item by item.

Matrices are (items, systems), higher is better on both sides (turn a rank round: rank 1 becomes -1). NaN marks an answer that is
missing: its pairs are left out of that item. A leading axis of the metric's scores stands for several metrics.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.ties import tolerance

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Variant = Literal["a", "b", "c", "wmt", "acc_eq", "tau_eq"]
NanPolicy = Literal["exclude", "zero", "mixed"]
ChoosingItems = Literal["all", "preferred"]

GAP_DIGITS = 12
"""Of the metric's largest gap, to which gaps are rounded before they are compared as thresholds."""
CELLS_A_BLOCK = 1 << 22


class PairCounts(NamedTuple):
    """Pairs of systems by agreement; arrays of shape (..., items)."""

    concordant: IntArray
    discordant: IntArray
    human_ties: IntArray
    """Tied by people only."""
    metric_ties: IntArray
    """Tied by the metric only."""
    both_ties: IntArray
    n_systems: IntArray
    """Systems with both values."""
    classes: IntArray
    """The smaller number of distinct values of the two sides, for tau-c."""

    @property
    def pairs(self) -> IntArray:
        """All pairs."""
        return self.concordant + self.discordant + self.human_ties + self.metric_ties + self.both_ties

    @property
    def human_constant(self) -> BoolArray:
        """Items with pairs, on which people have no preference at all."""
        constant: BoolArray = (self.pairs > 0) & (self.concordant + self.discordant + self.metric_ties == 0)
        return constant

    @property
    def metric_constant(self) -> BoolArray:
        """Items with pairs, on which the metric has no preference at all."""
        constant: BoolArray = (self.pairs > 0) & (self.concordant + self.discordant + self.human_ties == 0)
        return constant


def pair_counts(human: npt.ArrayLike, metric: npt.ArrayLike) -> PairCounts:
    """Count concordant, discordant and tied pairs of systems in each item.

    Args:
        human: float[items, systems].
        metric: float[items, systems] or float[metrics, items, systems].
    """
    h, m = _aligned(human, metric)
    missing = np.isnan(h) | np.isnan(m)
    h, m = np.where(missing, np.nan, h), np.where(missing, np.nan, m)
    first, second = np.triu_indices(h.shape[-1], 1)
    product, h_sign, m_sign = _signs(h, m, first, second)
    counted = ~(missing[..., first] | missing[..., second])
    h_tied, m_tied = counted & (h_sign == 0), counted & (m_sign == 0)

    def count(which: BoolArray) -> IntArray:
        total: IntArray = which.sum(axis=-1, dtype=np.int64)
        return total

    both = count(h_tied & m_tied)
    return PairCounts(
        concordant=count(product > 0),
        discordant=count(product < 0),
        human_ties=count(h_tied) - both,
        metric_ties=count(m_tied) - both,
        both_ties=both,
        n_systems=count(~missing),
        classes=np.minimum(_distinct(h), _distinct(m)),
    )


def kendall(counts: PairCounts, variant: Variant = "b") -> FloatArray:
    """Agreement of each item; NaN where it is undefined.

    ========  ==================================================  =============================================
    variant   value                                               undefined
    ========  ==================================================  =============================================
    a         (C - D) / pairs                                     fewer than two systems
    b         (C - D) / sqrt((C + D + Th) (C + D + Tm))           and where either side is constant
    c         2 (C - D) / (n^2 (k - 1) / k), k: fewer classes     and where either side is constant
    wmt       (C - D - Tm) / (C + D + Tm): the metric's ties are  where people are constant (mt-metrics-eval: 0)
              errors, people's are dropped
    acc_eq    (C + Thm) / pairs (Deutsch et al. 2023)             fewer than two systems
    tau_eq    (C + Thm - D - Th - Tm) / pairs                     fewer than two systems
    ========  ==================================================  =============================================
    """
    c, d, th, tm, both = (x.astype(np.float64) for x in counts[:5])
    pairs = c + d + th + tm + both
    if variant == "a":
        return _divide(c - d, pairs)
    if variant == "b":
        return _divide(c - d, np.sqrt((c + d + th) * (c + d + tm)))
    if variant == "c":
        k, n = counts.classes.astype(np.float64), counts.n_systems.astype(np.float64)
        return _divide(2 * (c - d), n**2 * _divide(k - 1, k, 0.0))
    if variant == "wmt":
        return _divide(c - d - tm, c + d + tm)
    if variant == "acc_eq":
        return _divide(c + both, pairs)
    if variant == "tau_eq":
        return _divide(c + both - d - th - tm, pairs)
    raise ValueError(f"unknown variant '{variant}'")


class ItemValues(NamedTuple):
    """Values of the items under a rule for undefined ones, and how many there were of each kind."""

    values: FloatArray
    """(..., items); NaN: left out of the mean."""
    n_used: IntArray
    n_human_constant: IntArray
    n_metric_constant: IntArray
    """Items on which the metric alone is constant."""
    n_too_few: IntArray
    """Items with fewer than two systems; always left out."""

    @property
    def mean(self) -> FloatArray:
        """Mean over the items that are used; NaN for none."""
        total = np.nansum(self.values, axis=-1)
        return _divide(np.asarray(total, dtype=np.float64), self.n_used.astype(np.float64))


def with_nan_policy(counts: PairCounts, variant: Variant = "b", policy: NanPolicy = "exclude") -> ItemValues:
    """Agreement of the items with a decision on the undefined ones.

    ``exclude`` leaves them out; ``zero`` counts them as 0; ``mixed`` leaves out items on which people are constant (there is
    nothing to rank) and counts those on which only the metric is as 0 (it must not gain by abstaining).
    """
    values = kendall(counts, variant)
    human, metric = counts.human_constant, counts.metric_constant & ~counts.human_constant
    undefined = np.isnan(values) & (counts.pairs > 0)
    if policy == "zero":
        values = np.where(undefined, 0.0, values)
    elif policy == "mixed":
        values = np.where(undefined & metric, 0.0, values)
    elif policy != "exclude":
        raise ValueError(f"unknown policy '{policy}'")
    used, few = ~np.isnan(values), counts.pairs == 0
    return ItemValues(values, *(x.sum(axis=-1) for x in (used, human, metric, few)))


class TieCalibration(NamedTuple):
    """Pairwise accuracy with ties when the metric's small differences are called ties (Deutsch, Foster, Freitag 2023)."""

    epsilon: float
    """Differences up to this are ties."""
    accuracy: float
    """Mean of the items' acc_eq at ``epsilon``: optimistic, because the same items chose it."""
    accuracy_held_out: float
    """Each item judged at the epsilon that the other items choose."""
    n_items: int
    n_calibrating: int
    """Items that choose epsilon."""
    in_sample: FloatArray = np.empty(0)
    """[items]: accuracy of each at ``epsilon``; NaN without pairs."""
    held_out: FloatArray = np.empty(0)
    """[items]: accuracy of each at the epsilon of the others; NaN without pairs."""


def calibrate_ties(
    human: npt.ArrayLike, metric: npt.ArrayLike, groups: npt.ArrayLike | None = None, *, choosing: ChoosingItems = "all"
) -> TieCalibration:
    """Choose the tie threshold of one metric among 0 and its own differences within items; the smallest on a draw.

    With all items choosing, ``accuracy`` is the acc*eq of Deutsch, Foster and Freitag (2023). ``preferred`` is ours: only items
    on which people prefer some answer choose, for one on which they tie all answers pulls the threshold up, whatever the metric.
    Both are judged over all items.

    Args:
        human: float[items, systems].
        metric: float[items, systems].
        groups: int[items]: rows that are held out together (several rankings of one item, the items of a patient); default: each
            row alone.
        choosing: which items choose.
    """
    h, m = _aligned(human, metric)
    codes = np.arange(len(h)) if groups is None else np.asarray(groups)
    if len(codes) != len(h):
        raise ValueError(f"{len(h)} items but {len(codes)} groups")
    order = np.argsort(codes, kind="stable")
    h, m, codes = h[order], m[order], codes[order]
    first, second = np.triu_indices(h.shape[-1], 1)
    product, h_sign, _ = _signs(h, m, first, second)
    gaps = np.abs(m[:, first] - m[:, second])
    largest = float(np.fmax.reduce(gaps.ravel(), initial=0.0)) or 1.0
    gaps = np.asarray(np.round(gaps / largest, GAP_DIGITS) * largest, dtype=np.float64)
    counted = ~np.isnan(gaps) & ~np.isnan(h[:, first] - h[:, second])
    pairs = counted.sum(axis=1)
    keep = pairs > 0
    in_sample, everywhere = np.full(len(h), np.nan), np.full(len(h), np.nan)
    if not keep.any():
        return TieCalibration(0.0, np.nan, np.nan, 0, 0, in_sample, everywhere)
    product, h_sign, gaps, counted, pairs = product[keep], h_sign[keep], gaps[keep], counted[keep], pairs[keep]
    starts = np.flatnonzero(np.append(True, np.diff(codes[keep]) != 0))
    epsilons = np.unique(np.append(gaps[counted], 0.0))
    item, pair = np.nonzero(counted)
    step = np.searchsorted(epsilons, gaps[item, pair])
    # Credit of a pair while it counts as different, and its change when epsilon reaches its gap.
    credit = (product[item, pair] > 0).astype(np.float64) / pairs[item]
    change = (h_sign[item, pair] == 0) / pairs[item] - credit
    chooses = ((h_sign != 0) & counted).any(axis=1)
    if choosing == "all" or not chooses.any():
        chooses = np.ones(len(chooses), dtype=bool)
    base = np.bincount(item, weights=credit, minlength=len(pairs)).astype(np.float64)
    chosen = chooses[item]
    curve = base[chooses].sum() + np.cumsum(np.bincount(step[chosen], weights=change[chosen], minlength=len(epsilons)))
    best = _first_best(curve[None])[0]
    at_best = base + np.bincount(item, weights=np.where(step <= best, change, 0.0), minlength=len(pairs))
    held_out = np.empty(len(pairs))
    rows = max(1, CELLS_A_BLOCK // len(epsilons))
    ends = np.append(starts[1:], len(pairs))
    first_group = 0
    while first_group < len(starts):
        start = starts[first_group]
        last_group = max(first_group + 1, int(np.searchsorted(ends, start + rows, "right")))
        stop = ends[last_group - 1]
        here = (item >= start) & (item < stop)
        own: FloatArray = np.zeros((stop - start, len(epsilons)))
        np.add.at(own, (item[here] - start, step[here]), change[here])
        own = base[start:stop, None] + np.cumsum(own, axis=1)
        inside = starts[first_group:last_group] - start
        others = curve - np.add.reduceat(own * chooses[start:stop, None], inside, axis=0)
        chosen_step = np.repeat(_first_best(others), np.diff(np.append(inside, stop - start)))
        held_out[start:stop] = own[np.arange(stop - start), chosen_step]
        first_group = last_group
    in_sample[order[keep]], everywhere[order[keep]] = at_best, held_out
    return TieCalibration(
        epsilon=float(epsilons[best]),
        accuracy=float(at_best.mean()),
        accuracy_held_out=float(held_out.mean()),
        n_items=len(pairs),
        n_calibrating=int(chooses.sum()),
        in_sample=in_sample,
        held_out=everywhere,
    )


def weighted_values(
    human: npt.ArrayLike, metric: npt.ArrayLike, weights: npt.ArrayLike, variant: Variant = "b", policy: NanPolicy = "exclude"
) -> FloatArray:
    """Agreement of each item when system s stands there weights[s] times, as a resample of systems makes it.

    A pair of two systems counts as the product of their weights; copies of one system make no pair.

    Args:
        human: float[items, systems].
        metric: float[..., items, systems].
        weights: float[W, systems].
        variant: any but ``c``, which counts classes.
        policy: for undefined items.

    Returns:
        float[W, ..., items].
    """
    if variant == "c":
        raise ValueError("tau-c has no weighted form; choose another variant")
    h, m = _aligned(human, metric)
    missing = np.isnan(h) | np.isnan(m)
    h, m = np.where(missing, np.nan, h), np.where(missing, np.nan, m)
    first, second = np.triu_indices(h.shape[-1], 1)
    product, h_sign, m_sign = _signs(h, m, first, second)
    counted = ~(missing[..., first] | missing[..., second])
    w = np.asarray(weights, dtype=np.float64)
    of_pair = (w[:, first] * w[:, second]).T

    def total(which: BoolArray) -> FloatArray:
        return np.moveaxis(which.astype(np.float64) @ of_pair, -1, 0)

    tied, also = counted & (h_sign == 0), counted & (m_sign == 0)
    both = total(tied & also)
    none = np.zeros(both.shape, dtype=np.int64)
    sums = (total(product > 0), total(product < 0), total(tied) - both, total(also) - both, both)
    # The counts are sums of weights here; nothing that reads them asks for whole numbers.
    return with_nan_policy(PairCounts(*sums, none, none), variant, policy).values  # type: ignore[arg-type]


def _first_best(curves: FloatArray) -> npt.NDArray[np.intp]:
    """First position of the maximum of each row, blind to rounding."""
    first: npt.NDArray[np.intp] = np.argmax(curves >= curves.max(axis=1, keepdims=True) - 1e-9, axis=1)
    return first


def _aligned(human: npt.ArrayLike, metric: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    h, m = np.asarray(human, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if h.ndim != 2 or m.shape[-2:] != h.shape:
        raise ValueError(f"human scores {h.shape} and metric scores {m.shape} are not (items, systems) of equal shape")
    h, m = np.broadcast_arrays(h, m)
    return h, m


def _signs(
    h: FloatArray, m: FloatArray, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Sign of each pair's agreement (NaN compares as 0), of people's and of the metric's difference."""

    def sign(x: FloatArray) -> npt.NDArray[np.int8]:
        difference, tied = x[..., first] - x[..., second], tolerance(x)
        return (difference > tied).astype(np.int8) - (difference < -tied).astype(np.int8)

    h_sign, m_sign = sign(h), sign(m)
    return h_sign * m_sign, h_sign, m_sign


def _distinct(x: FloatArray) -> IntArray:
    ordered = np.sort(x, axis=-1)
    present = (~np.isnan(ordered[..., :1])).sum(axis=-1)
    distinct: IntArray = present + (np.diff(ordered, axis=-1) > tolerance(x)).sum(axis=-1)
    return distinct


def _divide(numerator: FloatArray, denominator: FloatArray, otherwise: float = np.nan) -> FloatArray:
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), otherwise)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out
