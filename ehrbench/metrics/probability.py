"""Metrics of probabilities: how well P(yes) separates and how honest it is."""

from __future__ import annotations

from collections.abc import Sequence

from ehrbench.metrics.metric import Metric, Need, Scorable, Statistics

NEEDS: frozenset[Need] = frozenset({"reference", "choices", "probabilities"})


def positive_choice(scorable: Scorable) -> str:
    """The choice that counts as 1: ``yes`` where there is one, else the first."""
    return next((choice for choice in scorable.choices if choice.casefold() == "yes"), scorable.choices[0])


def score_probability(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """(label 0 or 1, probability of 1) of each item; None where the model gave no probability."""
    return [_label_and_probability(scorable) for scorable in scorables]


def score_by_class(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """(class, label, probability) of each item; ``meta.label_class`` names the class."""
    rows = [_label_and_probability(scorable) for scorable in scorables]
    return [row and (float(s.meta["label_class"]), *row) for s, row in zip(scorables, rows, strict=True)]


def _label_and_probability(scorable: Scorable) -> Statistics | None:
    if scorable.probabilities is None:
        return None
    positive = positive_choice(scorable)
    gold = scorable.references[0].strip().casefold() == positive.casefold()
    return float(gold), scorable.probabilities[positive]


def _probability(statistics: Statistics) -> float:
    return statistics[-1]


def _squared_error(statistics: Statistics) -> float:
    return (statistics[-1] - statistics[-2]) ** 2


AUROC = Metric(
    name="auroc",
    version=1,
    label="AUROC",
    kind="auroc",
    score=score_probability,
    needs=NEEDS,
    aggregate="auroc",
    item_score=_probability,
)
MACRO_AUROC = Metric(
    name="macro_auroc",
    version=1,
    label="Macro AUROC",
    kind="auroc",
    score=score_by_class,
    needs=NEEDS,
    aggregate="macro_auroc",
    item_score=_probability,
    note="unweighted mean over the classes that have both labels",
)
AUPRC = Metric(
    name="auprc",
    version=1,
    label="AUPRC",
    kind="auprc",
    score=score_probability,
    needs=NEEDS,
    aggregate="auprc",
    item_score=_probability,
    note="average precision; its chance level is the share of positives",
)
BRIER = Metric(
    name="brier",
    version=1,
    label="Brier score",
    kind="calibration",
    score=score_probability,
    higher_is_better=False,
    needs=NEEDS,
    aggregate="brier",
    item_score=_squared_error,
)
ECE = Metric(
    name="ece",
    version=1,
    label="Calibration error (ECE)",
    kind="calibration",
    score=score_probability,
    higher_is_better=False,
    needs=NEEDS,
    aggregate="ece",
    item_score=_squared_error,
    settings={"bins": 10},
)
