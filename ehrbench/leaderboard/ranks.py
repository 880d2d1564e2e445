"""Rank ranges: models that cannot be told apart share one.

Two models are told apart when the 95 % interval of their difference excludes 0. That interval is built from the two models' own
(Zou & Donner 2008, "MOVER"): for values a > b with intervals [la, ua] and [lb, ub], its lower end is
(a - b) - sqrt((a - la)^2 + (ub - b)^2). It keeps unequal arms, and on shared items it errs towards not telling apart, since the
models' errors then go together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


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


Better = npt.NDArray[np.bool_]
"""``better[i, j]``: whether model i is better than model j beyond chance."""


def told_apart(greater: Estimate, smaller: Estimate) -> bool:
    """Whether ``greater`` lies above ``smaller`` by more than the noise of both."""
    return difference(greater, smaller).low > 0


def difference(a: Estimate, b: Estimate) -> Estimate:
    """The difference a - b with its interval, from the two intervals."""
    gap = a.value - b.value
    return Estimate(gap, gap - hypot(a.value - a.low, b.high - b.value), gap + hypot(a.high - a.value, b.value - b.low))


def better_than(
    estimates: Sequence[Estimate], higher_is_better: bool = True, paired: Mapping[tuple[int, int], bool] | None = None
) -> Better:
    """Who is better than whom beyond chance.

    Args:
        estimates: one for each model.
        higher_is_better: whether greater values are better.
        paired: for pairs that were compared item by item, whether the first has the greater value beyond chance; that decides.
    """
    value, low, high = np.array(estimates, dtype=float).reshape(-1, 3).T
    greater: Better = value[:, None] - value[None, :] > np.hypot((value - low)[:, None], (high - value)[None, :])
    for (i, j), known in (paired or {}).items():
        greater[i, j] = known
    np.fill_diagonal(greater, False)
    return greater if higher_is_better else np.ascontiguousarray(greater.T)


def ranges_of(better: Better) -> list[RankRange]:
    """Each model's places: one more than the models better than it, to all models less those that it is better than."""
    n = len(better)
    return [
        RankRange(1 + int(above), n - int(below)) for above, below in zip(better.sum(axis=0), better.sum(axis=1), strict=True)
    ]


def rank_ranges(
    estimates: Sequence[Estimate | None],
    higher_is_better: bool = True,
    paired: Mapping[tuple[int, int], bool] | None = None,
) -> list[RankRange | None]:
    """The rank range of each estimate, in the order given; None stays None and takes no place."""
    places = [k for k, estimate in enumerate(estimates) if estimate is not None]
    known = [estimate for estimate in estimates if estimate is not None]
    at = {k: i for i, k in enumerate(places)}
    inner = {(at[i], at[j]): known for (i, j), known in (paired or {}).items() if i in at and j in at}
    found = iter(ranges_of(better_than(known, higher_is_better, inner)))
    return [None if estimate is None else next(found) for estimate in estimates]


def letters(better: Better, order: Sequence[int]) -> dict[int, str]:
    """Tie letters: models that share a letter cannot be told apart.

    Args:
        better: who is better than whom.
        order: the models, best first; neighbours in it share a letter up to the first that is told apart.

    Returns:
        Each model's letters; none at all where everybody is tied or more than 26 would be needed.
    """
    runs: list[tuple[int, int]] = []
    for start in range(len(order)):
        end = start
        while end + 1 < len(order) and not better[order[start : end + 1], order[end + 1]].any():
            end += 1
        if not runs or end > runs[-1][1]:
            runs.append((start, end))
    if not 1 < len(runs) <= 26:
        return {}
    found = dict.fromkeys(order, "")
    for name, (start, end) in zip("abcdefghijklmnopqrstuvwxyz", runs, strict=False):
        for k in order[start : end + 1]:
            found[k] += name
    return found
