"""From per-item statistics and resampling weights to corpus values, for whole blocks of resamples at once.

An aggregate is called with a matrix of statistics (n items, k columns) and a matrix of weights (B resamples, n items; a
weight is how often the resample drew the item) and gives B values. Weights of one give the point estimate. A value that
is undefined for a resample (one class only, nothing to divide by) is NaN; nothing here raises for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Weights = npt.NDArray[Any]
"""Counts or weights, integer or float."""

BLEU_ORDER = 4
ECE_BINS = 10


def _all_items(statistics: FloatArray) -> FloatArray:
    return np.ones((len(statistics), 1, 1))


@dataclass(frozen=True)
class Additive:
    """An aggregate that is a function of column sums, so that a cluster may be replaced by its sum."""

    finish: Callable[[FloatArray, FloatArray], FloatArray]
    """(sums float64[B, c], total weight float64[B]) to values float64[B]."""
    expand: Callable[[FloatArray], FloatArray] = lambda statistics: statistics
    """Statistics float64[n, k] to the summands float64[n, c]."""
    columns: int | None = None
    """k; None: any."""
    bounds: tuple[float, float] | None = None
    """Smallest and largest possible value; None: what the statistics' own bounds are, if they have any."""
    parts: Callable[[FloatArray], FloatArray] | None = None
    """For a mean over classes: sums float64[B, c] to the classes' values float64[B, K], NaN for a class that is left out."""
    support: Callable[[FloatArray], FloatArray] = _all_items
    """Statistics float64[n, k] to what each item adds to each part's denominators: float64[n, K, s], K = 1 without parts."""
    ratio_scale: bool = False
    """Whether the value is above 0 and its uncertainty a factor, so that the interval is made of its logarithm."""
    ranks_pairs: bool = False
    """As of ``Ranked``."""

    def __call__(self, statistics: npt.ArrayLike, weights: npt.ArrayLike) -> FloatArray:
        """Values float64[B] of statistics [n, k] under weights [B, n]."""
        matrix, w = check_statistics(statistics, self.columns), np.asarray(weights, dtype=np.float64)
        return self.finish(w @ self.expand(matrix), w.sum(axis=1))


@dataclass(frozen=True)
class Ranked:
    """An aggregate that needs the items in order: sorted once, then computed for many weightings."""

    order: Callable[[FloatArray], npt.NDArray[np.intp]]
    """Statistics float64[n, k] to the order in which ``value`` expects the items."""
    value: Callable[[FloatArray, Weights], FloatArray]
    """(statistics in order, weights [B, n] in the same order) to values float64[B]."""
    columns: int | None = None
    bounds: tuple[float, float] | None = None
    """As of ``Additive``."""
    support: Callable[[FloatArray], FloatArray] = _all_items
    """As of ``Additive``."""
    ranks_pairs: bool = False
    """Whether it is the share of pairs, one item of each class, that are in the right order: an AUROC, or a mean of some."""

    def __call__(self, statistics: npt.ArrayLike, weights: npt.ArrayLike) -> FloatArray:
        """Values float64[B] of statistics [n, k] under weights [B, n]."""
        matrix, w = check_statistics(statistics, self.columns), np.asarray(weights)
        order = self.order(matrix)
        return self.value(matrix[order], w[:, order])


Aggregate = Additive | Ranked


def check_statistics(statistics: npt.ArrayLike, columns: int | None) -> FloatArray:
    """Return the statistics as float64[n, k]; a vector is taken as one column.

    Raises:
        ValueError: not a matrix, another number of columns, or a value that is not finite (a metric says None for an
            undefined item, and the caller counts and leaves it out).
    """
    matrix = np.asarray(statistics, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix.reshape(len(matrix), -1) if matrix.size else matrix.reshape(0, columns or 1)
    if matrix.ndim != 2:
        raise ValueError(f"statistics must be a matrix (items, columns), not of {matrix.ndim} dimensions")
    if columns is not None and matrix.shape[1] != columns:
        raise ValueError(f"statistics have {matrix.shape[1]} columns, the aggregate needs {columns}")
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise ValueError(f"statistics of item number {row} are not finite")
    return matrix


def _divide(numerator: FloatArray, denominator: FloatArray, otherwise: float = np.nan) -> FloatArray:
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), otherwise)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def _mean(sums: FloatArray, total: FloatArray) -> FloatArray:
    return _divide(sums[:, 0], total)


def _ratio(sums: FloatArray, total: FloatArray) -> FloatArray:
    return _divide(sums[:, 0], sums[:, 1])


def _precision(counts: FloatArray) -> FloatArray:
    return _divide(counts[..., 0], counts[..., 0] + counts[..., 1], 0.0)


def _recall(counts: FloatArray) -> FloatArray:
    return _divide(counts[..., 0], counts[..., 0] + counts[..., 2], 0.0)


def _f1(counts: FloatArray) -> FloatArray:
    return _divide(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2], 0.0)


_DENOMINATORS: dict[Callable[[FloatArray], FloatArray], tuple[int, ...]] = {_precision: (0, 1), _recall: (0, 2), _f1: (0, 1, 2)}
"""Which of tp, fp and fn an item has that counts in the value."""


def _micro(of: Callable[[FloatArray], FloatArray]) -> Additive:
    """One value from the summed tp, fp, fn; 0 where it is 0/0, as scikit-learn's ``zero_division=0``."""

    def support(statistics: FloatArray) -> FloatArray:
        return np.asarray(statistics[:, _DENOMINATORS[of]].sum(axis=1)[:, None, None], dtype=np.float64)

    return Additive(lambda sums, total: of(sums), columns=3, bounds=(0.0, 1.0), support=support)


def _macro(of: Callable[[FloatArray], FloatArray], over: Literal["seen", "gold", "all"]) -> Additive:
    """Mean over classes; the statistics are tp, fp, fn of class 1, then of class 2, and so on.

    A class that a sample has neither in gold nor in prediction is left out (``seen``), as scikit-learn does when it takes the
    classes from the data, or counts as 0 (``all``), as it does for a fixed list of classes. ``gold`` leaves out a class that is
    only predicted, too: its recall is undefined, and the mean recall is the balanced accuracy.
    """

    def parts(sums: FloatArray) -> FloatArray:
        counts = sums.reshape(len(sums), -1, 3)
        scores = of(counts)
        if over == "all":
            return scores
        present = (counts if over == "seen" else counts[..., [0, 2]]).sum(axis=2) > 0
        return np.where(present, scores, np.nan)

    def finish(sums: FloatArray, total: FloatArray) -> FloatArray:
        scores = parts(sums)
        present = ~np.isnan(scores)
        return _divide(np.where(present, scores, 0.0).sum(axis=1), present.sum(axis=1).astype(np.float64))

    def support(statistics: FloatArray) -> FloatArray:
        # Of an F1 the class's gold items, for they decide how rare it is.
        counted = (0, 1) if of is _precision else (0, 2)
        of_class = statistics.reshape(len(statistics), -1, 3)[..., counted].sum(axis=2)
        return np.asarray(of_class[..., None], dtype=np.float64)

    return Additive(finish, bounds=(0.0, 1.0), parts=parts, support=support)


def _corpus_bleu(sums: FloatArray, total: FloatArray) -> FloatArray:
    """BLEU in 0..1 from summed correct[4], total[4], answer length, reference length; sacrebleu's "exp" smoothing.

    Equal to ``sacrebleu.BLEU.compute_bleu`` with its corpus defaults: the k-th order without a match counts as 1/2^k of
    one match; no match at all, or an order without n-grams, gives 0.
    """
    correct, possible = sums[:, :BLEU_ORDER], sums[:, BLEU_ORDER : 2 * BLEU_ORDER]
    answer, reference = sums[:, 2 * BLEU_ORDER], sums[:, 2 * BLEU_ORDER + 1]
    misses = np.cumsum(correct == 0, axis=1)
    matches = np.where(correct == 0, 0.5**misses, correct)
    alive = (correct.sum(axis=1) > 0) & (possible > 0).all(axis=1)
    precisions = _divide(matches, possible, 1.0)
    brevity = np.where(answer < reference, 1 - _divide(reference, answer, np.inf), 0.0)
    return np.where(alive, np.exp(brevity + np.log(precisions).mean(axis=1)), 0.0)


def _corpus_chrf(sums: FloatArray, total: FloatArray) -> FloatArray:
    """The chrF (beta 2) in 0..1 from summed n-grams of answer, of reference and matched, order by order, as sacrebleu's."""
    counts = sums.reshape(len(sums), -1, 3)
    answer, reference, matches = counts[..., 0], counts[..., 1], counts[..., 2]
    seen = (answer > 0) & (reference > 0)
    orders = seen.sum(axis=1).astype(np.float64)
    precision = _divide((_divide(matches, answer, 0.0) * seen).sum(axis=1), orders, 0.0)
    recall = _divide((_divide(matches, reference, 0.0) * seen).sum(axis=1), orders, 0.0)
    return _divide(5 * precision * recall, 4 * precision + recall, 0.0)


def _one_hot(statistics: FloatArray) -> FloatArray:
    """Of gold and answered class: whether they are the same, the gold's class, the answer's class."""
    classes = np.unique(statistics)
    gold, found = (np.equal.outer(statistics[:, column], classes).astype(np.float64) for column in (0, 1))
    return np.hstack([(statistics[:, :1] == statistics[:, 1:]).astype(np.float64), gold, found])


def _mcc(sums: FloatArray, total: FloatArray) -> FloatArray:
    """Matthews' correlation of any number of classes; 0 where it is 0/0. Equal to ``sklearn.metrics.matthews_corrcoef``."""
    k = (sums.shape[1] - 1) // 2
    right, gold, found = sums[:, 0], sums[:, 1 : 1 + k], sums[:, 1 + k :]
    spread = (total**2 - (gold**2).sum(axis=1)) * (total**2 - (found**2).sum(axis=1))
    return _divide(right * total - (gold * found).sum(axis=1), np.sqrt(spread), 0.0)


def _ascending(statistics: FloatArray) -> npt.NDArray[np.intp]:
    return np.argsort(statistics[:, 0], kind="stable")


def _upper_median(statistics: FloatArray, weights: Weights) -> FloatArray:
    """The middle value, of two middle ones the greater."""
    reached = np.cumsum(weights, axis=1)
    middle = np.argmax(2 * reached > reached[:, -1:], axis=1)
    return np.where(reached[:, -1] > 0, statistics[middle, 0], np.nan)


def _label_then_score(statistics: FloatArray) -> npt.NDArray[np.intp]:
    return np.lexsort((statistics[:, 1], statistics[:, 0]))


def _auroc(statistics: FloatArray, weights: Weights) -> FloatArray:
    """Share of (negative, positive) pairs in the right order, ties half; NaN where a class is absent.

    Rows come sorted by label, then by score. The weight of all negatives below a positive is one look-up in their
    cumulative weights, so a resample costs one pass over the smaller class.
    """
    labels, scores = statistics[:, 0], statistics[:, 1]
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("labels of an AUROC must be 0 or 1")
    split = int(np.searchsorted(labels, 0.5))
    negatives, positives = scores[:split], scores[split:]
    w_neg, w_pos = weights[:, :split], weights[:, split:]
    swapped = len(positives) > len(negatives)
    if swapped:
        negatives, positives, w_neg, w_pos = positives, negatives, w_pos, w_neg
    below = np.zeros((len(weights), len(negatives) + 1), dtype=weights.dtype)
    np.cumsum(w_neg, axis=1, out=below[:, 1:])
    left, right = np.searchsorted(negatives, positives, "left"), np.searchsorted(negatives, positives, "right")
    ahead = below[:, left]
    ahead = ahead * 2 if np.array_equal(left, right) else ahead + below[:, right]
    wins = np.multiply(ahead, w_pos, dtype=np.float64).sum(axis=1) / 2
    area = _divide(wins, below[:, -1].astype(np.float64) * w_pos.sum(axis=1, dtype=np.float64))
    return 1 - area if swapped else area


def _by_label(statistics: FloatArray) -> FloatArray:
    """Positives and negatives."""
    positive = statistics[:, 0]
    return np.stack([positive, 1 - positive], axis=1)[:, None, :]


def _by_class_and_label(statistics: FloatArray) -> FloatArray:
    of_class = statistics[:, :1] == np.unique(statistics[:, 0])
    return np.asarray(of_class[..., None] * _by_label(statistics[:, 1:]), dtype=np.float64)


def _class_then_label(statistics: FloatArray) -> npt.NDArray[np.intp]:
    return np.lexsort((statistics[:, 2], statistics[:, 1], statistics[:, 0]))


def _macro_auroc(statistics: FloatArray, weights: Weights) -> FloatArray:
    """Unweighted mean of the AUROCs of the classes; a class with one label only is left out of the mean, NaN when all are.

    Rows come sorted by class, then as ``_auroc`` wants them.
    """
    borders = np.flatnonzero(np.diff(statistics[:, 0])) + 1
    areas = np.stack(
        [_auroc(statistics[a:b, 1:], weights[:, a:b]) for a, b in zip([0, *borders], [*borders, len(statistics)], strict=True)]
    )
    defined = ~np.isnan(areas)
    return _divide(np.where(defined, areas, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _score_descending(statistics: FloatArray) -> npt.NDArray[np.intp]:
    return np.lexsort((statistics[:, 0], -statistics[:, 1]))


def _auprc(statistics: FloatArray, weights: Weights) -> FloatArray:
    """Average precision, sum of (recall step x precision) over distinct thresholds; NaN without positives.

    Equal to ``sklearn.metrics.average_precision_score``. Rows come sorted by falling score.
    """
    labels, scores = statistics[:, 0], statistics[:, 1]
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("labels of an AUPRC must be 0 or 1")
    if not len(labels):
        return np.full(len(weights), np.nan)
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    w = weights.astype(np.float64)
    hits = np.cumsum(w * labels, axis=1)[:, ends]
    flagged = np.cumsum(w, axis=1)[:, ends]
    steps = np.diff(hits, axis=1, prepend=0.0)
    return _divide((steps * _divide(hits, flagged, 0.0)).sum(axis=1), hits[:, -1])


def _squared_error(statistics: FloatArray) -> FloatArray:
    return (statistics[:, 1:2] - statistics[:, :1]) ** 2


def _binned_gaps(statistics: FloatArray) -> FloatArray:
    """Per item, probability minus label, in the column of its probability's bin (equal widths, upper edge included)."""
    bins = np.clip(np.ceil(statistics[:, 1] * ECE_BINS).astype(np.intp) - 1, 0, ECE_BINS - 1)
    gaps = np.zeros((len(statistics), ECE_BINS))
    gaps[np.arange(len(statistics)), bins] = statistics[:, 1] - statistics[:, 0]
    return gaps


def _ece(sums: FloatArray, total: FloatArray) -> FloatArray:
    return _divide(np.abs(sums).sum(axis=1), total)


AGGREGATES: dict[str, Aggregate] = {
    # one column, the item's score
    "mean": Additive(_mean, columns=1),
    "upper_median": Ranked(_ascending, _upper_median, columns=1),
    # numerator, denominator
    "ratio_of_sums": Additive(_ratio, columns=2, support=lambda statistics: np.abs(statistics[:, 1:2, None])),
    # log-likelihood (and, for the last two, its length)
    "perplexity_of_mean": Additive(lambda sums, total: np.exp(-_mean(sums, total)), columns=1, ratio_scale=True),
    "perplexity_of_ratio": Additive(lambda sums, total: np.exp(-_ratio(sums, total)), columns=2, ratio_scale=True),
    "bits_of_ratio": Additive(lambda sums, total: -_ratio(sums, total) / np.log(2), columns=2),
    # tp, fp, fn
    "micro_f1": _micro(_f1),
    "micro_precision": _micro(_precision),
    "micro_recall": _micro(_recall),
    # tp, fp, fn of each class in turn
    "macro_f1": _macro(_f1, "seen"),
    "macro_precision": _macro(_precision, "seen"),
    "macro_recall": _macro(_recall, "seen"),
    "macro_f1_all_classes": _macro(_f1, "all"),
    "macro_precision_all_classes": _macro(_precision, "all"),
    "macro_recall_all_classes": _macro(_recall, "all"),
    "macro_f1_gold_classes": _macro(_f1, "gold"),
    "macro_precision_gold_classes": _macro(_precision, "gold"),
    "macro_recall_gold_classes": _macro(_recall, "gold"),
    "balanced_accuracy": _macro(_recall, "gold"),
    # correct[4], total[4], answer length, reference length
    "corpus_bleu": Additive(_corpus_bleu, columns=2 * BLEU_ORDER + 2, bounds=(0.0, 1.0)),
    "corpus_bleu_percent": Additive(
        lambda sums, total: 100 * _corpus_bleu(sums, total), columns=2 * BLEU_ORDER + 2, bounds=(0.0, 100.0)
    ),
    # n-grams of the answer, of the reference, matched, order by order
    "corpus_chrf_percent": Additive(lambda sums, total: 100 * _corpus_chrf(sums, total), bounds=(0.0, 100.0)),
    # gold class, answered class
    "mcc": Additive(_mcc, _one_hot, columns=2, bounds=(-1.0, 1.0)),
    # label 0 or 1, score (for the last two: probability of label 1)
    "auroc": Ranked(_label_then_score, _auroc, columns=2, bounds=(0.0, 1.0), support=_by_label, ranks_pairs=True),
    # class, label 0 or 1, score
    "macro_auroc": Ranked(
        _class_then_label, _macro_auroc, columns=3, bounds=(0.0, 1.0), support=_by_class_and_label, ranks_pairs=True
    ),
    "auprc": Ranked(_score_descending, _auprc, columns=2, bounds=(0.0, 1.0), support=_by_label),
    "brier": Additive(_mean, _squared_error, columns=2, bounds=(0.0, 1.0)),
    "ece": Additive(_ece, _binned_gaps, columns=2, bounds=(0.0, 1.0)),
}
