"""Rank ranges: models that cannot be told apart share one.

Two models are told apart when the 95 % interval of their difference excludes 0. That interval is built from the two models' own
(Zou & Donner 2008, "MOVER"): for values a > b with intervals [la, ua] and [lb, ub], its lower end is
(a - b) - sqrt((a - la)^2 + (ub - b)^2). It keeps unequal arms, and on shared items it errs towards not telling apart, since the
models' errors then go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


Paired = Callable[[int, int], bool | None]
"""Whether the first of two models, by their places in a list, has the greater value beyond chance; None: not compared."""


def rank_ranges(
    estimates: Sequence[Estimate | None], higher_is_better: bool = True, paired: Paired | None = None
) -> list[RankRange | None]:
    """The rank range of each estimate, in the order given; None stays None and takes no place.

    Where two models were compared item by item, that decides; else their intervals do. The best place is one more than the number
    of models told apart above it; the worst is the number of models less those told apart below it.
    """
    places = [k for k, estimate in enumerate(estimates) if estimate is not None]

    def better(i: int, j: int) -> bool:
        one, other = estimates[i], estimates[j]
        if one is None or other is None:
            return False
        greater, smaller = (i, j) if higher_is_better else (j, i)
        known = paired(greater, smaller) if paired is not None else None
        if known is not None:
            return known
        return told_apart(one, other) if higher_is_better else told_apart(_mirrored(one), _mirrored(other))

    def place(k: int) -> RankRange:
        return RankRange(
            1 + sum(better(j, k) for j in places if j != k), len(places) - sum(better(k, j) for j in places if j != k)
        )

    return [None if estimate is None else place(k) for k, estimate in enumerate(estimates)]


def _mirrored(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)
