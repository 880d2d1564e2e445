"""lm-eval's aggregations as ours: what each item contributes, so that the value and its interval come from one aggregate.

Each is read from the values that lm-eval's ``process_results`` gives; a value of another form is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ehrbench.metrics.metric import Statistics

Read = Callable[[Sequence[Any]], list[Statistics | None]]
_MOST = 700.0
"""Exponents above this overflow."""


class Aggregation(NamedTuple):
    """One of lm-eval's."""

    ours: str
    """A name in ``ehrbench.stats.aggregate``."""
    read: Read
    """lm-eval's values of all items to statistics; raises TypeError or ValueError for values of another form."""
    range: tuple[float, float] = (0.0, 1.0)
    item_score: Callable[[Statistics], float] | None = None
    """What an item scores alone; None: what the aggregate makes of it."""


def _each(read: Callable[[Any], Statistics | None]) -> Read:
    return lambda values: [read(value) for value in values]


def _number(value: Any) -> Statistics | None:
    number = float(value)
    return (number,) if math.isfinite(number) else None


def _weighted(value: Any) -> Statistics:
    total, weight = value
    return (float(total), float(weight))


def _classes(value: Any) -> Statistics:
    gold, found = value
    return (float(gold), float(found))


def _counts(value: Any) -> Statistics:
    gold, found = _classes(value)
    if not {gold, found} <= {0.0, 1.0}:
        raise ValueError("lm-eval's f1 is of two classes")
    return (float(gold == found == 1), float(gold != 1 == found), float(gold == 1 != found))


def _squared_error(value: Any) -> Statistics:
    gold, probabilities = value
    if not 0 <= int(gold) < len(probabilities):
        raise ValueError("the gold is none of the choices")
    return (sum((float(p) - (i == int(gold))) ** 2 for i, p in enumerate(probabilities)),)


def _texts(count: Callable[[str, list[str]], Statistics]) -> Read:
    """Of pairs of reference (or references) and answer, paired as lm-eval hands them to sacrebleu."""

    def read(values: Sequence[Any]) -> list[Statistics | None]:
        if not all(isinstance(value, list | tuple) and len(value) == 2 for value in values):
            raise TypeError("no pairs of reference and answer")
        metrics: Any = import_module("lm_eval.api.metrics")
        streams, answers = metrics._sacreformat([value[0] for value in values], [value[1] for value in values])
        return [count(answer, [stream[i] for stream in streams]) for i, answer in enumerate(answers)]

    return read


def _bleu(answer: str, references: list[str]) -> Statistics:
    sacrebleu: Any = import_module("sacrebleu.metrics.bleu")
    found = sacrebleu.BLEU().sentence_score(answer, references)
    return (*map(float, found.counts), *map(float, found.totals), float(found.sys_len), float(found.ref_len))


def _chrf(word_order: int) -> Callable[[str, list[str]], Statistics]:
    def count(answer: str, references: list[str]) -> Statistics:
        sacrebleu: Any = import_module("sacrebleu.metrics.chrf")
        (found,) = sacrebleu.CHRF(word_order=word_order)._extract_corpus_statistics([answer], [[one] for one in references])
        return tuple(map(float, found))

    return count


def _ter(answer: str, references: list[str]) -> Statistics:
    sacrebleu: Any = import_module("sacrebleu.metrics.ter")
    found = sacrebleu.TER().sentence_score(answer, references)
    return (100 * float(found.num_edits), float(found.ref_length))


def _first(statistics: Statistics) -> float:
    return statistics[0]


def _perplexity(statistics: Statistics) -> float:
    return math.exp(min(_MOST, -statistics[0] / (statistics[1] if len(statistics) > 1 else 1.0)))


def _bits(statistics: Statistics) -> float:
    return -statistics[0] / statistics[1] / math.log(2)


def _agrees(statistics: Statistics) -> float:
    return float(statistics[0] == statistics[1])


_PERCENT = (0.0, 100.0)
AGGREGATIONS: Mapping[str, Aggregation] = {
    "mean": Aggregation("mean", _each(_number), item_score=_first),
    "nanmean": Aggregation("mean", _each(_number), item_score=_first),
    "median": Aggregation("upper_median", _each(_number), item_score=_first),
    "perplexity": Aggregation("perplexity_of_mean", _each(_number), item_score=_perplexity),
    "weighted_perplexity": Aggregation("perplexity_of_ratio", _each(_weighted), item_score=_perplexity),
    "bits_per_byte": Aggregation("bits_of_ratio", _each(_weighted), item_score=_bits),
    "f1": Aggregation("micro_f1", _each(_counts), item_score=_first),
    "matthews_corrcoef": Aggregation("mcc", _each(_classes), (-1.0, 1.0), _agrees),
    "brier_score": Aggregation("mean", _each(_squared_error), (0.0, 2.0), _first),
    "bleu": Aggregation("corpus_bleu_percent", _texts(_bleu), _PERCENT),
    "chrf": Aggregation("corpus_chrf_percent", _texts(_chrf(0)), _PERCENT),
    "chrf++": Aggregation("corpus_chrf_percent", _texts(_chrf(2)), _PERCENT),
    "ter": Aggregation("ratio_of_sums", _texts(_ter), _PERCENT),
}
"""By lm-eval's names; of its registry only ``bypass`` is absent. Its F1 is of class 1, as scikit-learn's default."""


def item_score(aggregation: Aggregation) -> Callable[[Statistics], float]:
    """What an item scores alone."""
    if aggregation.item_score is not None:
        return aggregation.item_score

    def score(statistics: Statistics) -> float:
        from ehrbench.stats.aggregate import AGGREGATES

        return float(AGGREGATES[aggregation.ours](np.array([statistics]), np.ones((1, 1)))[0])

    return score
