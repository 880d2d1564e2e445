"""From a judge's text to two scores, and from verdicts to an item's relative score."""

from __future__ import annotations

import re
from typing import NamedTuple

from ehrbench.judge.prompt import Order

LOWEST, HIGHEST = 1.0, 10.0
_NUMBER = re.compile(r"(?<![\d.])\d+(?:\.\d+)?(?![\d.]*\d)")


class Verdict(NamedTuple):
    """The scores of one judgement, each 1 to 10."""

    candidate: float
    reference: float

    @property
    def ratio(self) -> float:
        """The candidate's score in percent of the reference's: 10 to 1,000."""
        return 100.0 * self.candidate / self.reference


def read_verdict(text: str, order: Order, strict: bool) -> Verdict | None:
    """The verdict in a judge's text; None when there is none (counted, never imputed).

    Args:
        text: what the judge wrote, thinking taken out.
        order: which answer was shown first.
        strict: True reads as the paper's code does: what stands before the first newline, split at single blanks, the first two
            parts as numbers; a score of the reference that is not above 0 cannot be divided by and is no verdict. False takes
            the first non-empty line if it holds exactly two numbers from 1 to 10.
    """
    scores = _strict_scores(text) if strict else _scores(text)
    if scores is None:
        return None
    first, second = scores
    return (
        Verdict(candidate=second, reference=first) if order == "reference_first" else Verdict(candidate=first, reference=second)
    )


def _strict_scores(text: str) -> tuple[float, float] | None:
    parts = text.split("\n", 1)[0].split(" ")
    try:
        first, second = float(parts[0]), float(parts[1])
    except (ValueError, IndexError):
        return None
    return (first, second) if first > 0 and first < float("inf") and abs(second) < float("inf") else None


def _scores(text: str) -> tuple[float, float] | None:
    line = next((line for line in text.splitlines() if line.strip()), "")
    numbers = [float(number) for number in _NUMBER.findall(re.sub(r"(?i)assistant\s*[12]|/\s*10\b", " ", line))]
    if len(numbers) != 2 or not all(LOWEST <= number <= HIGHEST for number in numbers):
        return None
    return numbers[0], numbers[1]
