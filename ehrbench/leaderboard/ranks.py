"""Rank ranges: models that cannot be told apart share one.

Two models are told apart when the 95 % interval of their difference excludes 0. That interval is built from the two models' own
(Zou & Donner 2008, "MOVER"): for values a > b with intervals [la, ua] and [lb, ub], its lower end is
(a - b) - sqrt((a - la)^2 + (ub - b)^2). It keeps unequal arms, and on shared items it errs towards not telling apart, since the
models' errors then go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


class RankRange(NamedTuple):
    """The places a model may take."""

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def told_apart(greater: Estimate, smaller: Estimate) -> bool:
    """Whether ``greater`` lies above ``smaller`` by more than the noise of both."""
    return greater.value - smaller.value > hypot(greater.value - greater.low, smaller.high - smaller.value)


def rank_ranges(estimates: Sequence[Estimate | None], higher_is_better: bool = True) -> list[RankRange | None]:
    """The rank range of each estimate, in the order given; None stays None and takes no place.

    The best place is one more than the number of models told apart above it; the worst is the number of models less those told
    apart below it.
    """
    present = [e for e in estimates if e is not None]
    if not higher_is_better:
        present = [_mirrored(e) for e in present]
    ranges = iter(
        [
            RankRange(
                1 + sum(told_apart(other, one) for other in present),
                len(present) - sum(told_apart(one, other) for other in present),
            )
            for one in present
        ]
    )
    return [None if e is None else next(ranges) for e in estimates]


def _mirrored(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)
