"""Metrics of probabilities: how well P(yes) separates and how honest it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ehrbench.metrics.metric import Metric, Need, Scorable, Statistics

NEEDS: frozenset[Need] = frozenset({"reference", "choices", "probabilities"})


def positive_choice(scorable: Scorable) -> str:
    """The choice that counts as 1: ``yes`` where there is one, else the first."""
    return next((choice for choice in scorable.choices if choice.casefold() == "yes"), scorable.choices[0])


def score_probability(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """(label 0 or 1, probability of 1) of each item; None where the model gave none, or none from 0 to 1."""
    return [_label_and_probability(scorable) for scorable in scorables]


def score_by_class(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """(class, label, probability) of each item; ``meta.label_class`` names the class."""
    rows = [_label_and_probability(scorable) for scorable in scorables]
    return [row and (float(s.meta["label_class"]), *row) for s, row in zip(scorables, rows, strict=True)]


def _label_and_probability(scorable: Scorable) -> Statistics | None:
    if scorable.probabilities is None:
        return None
    positive = positive_choice(scorable)
    probability = scorable.probabilities[positive]
    if not 0 <= probability <= 1 + 1e-6:  # stored by an older release, or made elsewhere; NaN is neither
        return None
    gold = scorable.references[0].strip().casefold() == positive.casefold()
    return float(gold), probability


def _probability(statistics: Statistics) -> float:
    return statistics[-1]


def _squared_error(statistics: Statistics) -> float:
    return (statistics[-1] - statistics[-2]) ** 2


_of_probabilities = partial(Metric, version=1, score=score_probability, needs=NEEDS, item_score=_probability)

AUROC = _of_probabilities(
    name="auroc",
    label="AUROC",
    kind="auroc",
    aggregate="auroc",
    about="The chance that an item with the outcome is given a higher probability than one without. 0.5 is guessing.",
    cite="Hanley and McNeil. The meaning and use of the area under a ROC curve. Radiology 143, 1982.",
)
MACRO_AUROC = _of_probabilities(
    name="macro_auroc",
    label="Macro AUROC",
    kind="auroc",
    score=score_by_class,
    aggregate="macro_auroc",
    about="AUROC of each class by itself, averaged over classes. 0.5 is guessing, 1 is perfect.",
    cite="Harutyunyan et al. Multitask learning and benchmarking with clinical time series data. Scientific Data 6, 2019.",
    note="unweighted mean over the classes that have both labels",
)
AUPRC = _of_probabilities(
    name="auprc",
    label="AUPRC",
    kind="auprc",
    aggregate="auprc",
    about="Area under the precision-recall curve: how well items with the outcome are found without false alarms.",
    cite="Davis and Goadrich. The Relationship Between Precision-Recall and ROC Curves. ICML 2006.",
    note="average precision; its chance level is the share of positives",
)
_of_errors = partial(_of_probabilities, kind="calibration", higher_is_better=False, item_score=_squared_error)

BRIER = _of_errors(
    name="brier",
    label="Brier score",
    aggregate="brier",
    about="Mean squared distance between the stated probability and what happened (0 or 1). 0 is perfect.",
    cite="Brier. Verification of Forecasts Expressed in Terms of Probability. Monthly Weather Review 78, 1950.",
)
ECE = _of_errors(
    name="ece",
    label="Calibration error (ECE)",
    aggregate="ece",
    settings={"bins": 10},
    about="How far stated probabilities are from observed shares, averaged over ten bins. 0 is perfect.",
    cite="Naeini et al. Obtaining Well Calibrated Probabilities Using Bayesian Binning. AAAI 2015.",
)
