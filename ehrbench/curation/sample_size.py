"""What a number of questions can show, before anybody answers them."""

from __future__ import annotations

from ehrbench.stats.estimate import FEW_GROUPS
from ehrbench.stats.interval import wilson


def sample_size(n_questions: int, n_patients: int) -> str:
    """A sentence on how wide the 95 % interval of a share near one half is (Wilson's), with independent questions and by patient.

    Where all questions of a patient are right or wrong together, the patients are what counts; the truth lies between.
    """
    best, worst = (_reach(n) for n in (n_questions, n_patients))
    reach = f"{best:.0f}" if f"{best:.0f}" == f"{worst:.0f}" else f"{best:.0f} to {worst:.0f}"
    sentence = (
        f"{n_questions} questions about {n_patients} patients: the 95 % interval of a share near 50 % reaches {reach} points to "
        "either side"
    )
    if n_patients < FEW_GROUPS:
        sentence += f"; with fewer than {FEW_GROUPS} patients every result carries a caution"
    return sentence


def _reach(n: int) -> float:
    low, high = wilson(n // 2, n)
    return 50 * (high - low)
