"""What a metric means and where its rule is from: its definition's own words; here, those of what no definition computes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ehrbench.errors import EhrbenchError
from ehrbench.metrics import METRICS


class Words(NamedTuple):
    """What a reader of a number is told."""

    about: str = ""
    cite: str = ""


_MEDALIGN = "Fleming et al. MedAlign. AAAI 2024."
_JUDGE = "MIMIC-Instr's judge: ehrbench, docs/mimic-instr.md."
_UNDEFINED = {
    "correct": Words("The share of answers that clinicians judged correct.", _MEDALIGN),
    "mean_rank": Words(
        "Mean place that clinicians gave the model's answer among the compared models. Lower is better.", _MEDALIGN
    ),
    "win_rate": Words("Share of pairings that clinicians decided for the model, averaged over the other models.", _MEDALIGN),
    "judge_relative": Words(
        "A judge model's score of the answer as a percentage of its score of a reference model's answer, averaged over items. It "
        "can exceed 100, and moves with the judge and with the reference answers.",
        _JUDGE,
    ),
    "judge_ratio_of_sums": Words(
        "The sum of a judge model's scores of the answers as a percentage of the sum of its scores of the reference answers; "
        "steadier than the mean of ratios.",
        _JUDGE,
    ),
    "jury_score": Words("Mean score from 1 to 5 by a panel of language models.", "MedHELM v1."),
}
"""Of numbers that no definition here computes from an answer: judgements, and what a paper prints."""


@lru_cache(maxsize=512)
def explain(metric: str) -> Words:
    """What is said of a metric; nothing of one that is not defined on this machine."""
    if metric in _UNDEFINED:
        return _UNDEFINED[metric]
    if metric not in METRICS:
        return Words()
    try:
        defined = METRICS.get(metric)
    except EhrbenchError:
        return Words()
    return Words(defined.about, defined.cite)
