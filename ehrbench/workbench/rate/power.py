"""What a plan can see: the smallest difference between two systems that it finds in four studies of five, by simulation.

Verdicts: an item is equally hard for both systems. System and item make a normal number, correlated ``SHARED`` between the two
systems; the answer is correct where it falls below the system's threshold, and the rater errs in ``ERROR`` of the verdicts. They
are compared with McNemar's test (the normal form, without correction).
Ranks: each answer has a normal quality, one system's mean is shifted, and the rater ranks all answers without ties; the mean
difference of the two systems' ranks is divided by its standard error. Both tests are two-sided at 5 %.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.workbench.rate.study import Mode

FloatArray = npt.NDArray[np.float64]
Z = 1.96
POWER = 0.8
SHARED = 0.5
ERROR = 0.1
BASE = 0.6
"""Share correct of the better system's rival, before the rater's errors."""
STUDIES = 4_000


class Design(NamedTuple):
    """What the simulation needs of a plan."""

    items: int
    """Each counts once, whoever read it: the first reader's judgement."""
    systems: int
    patients: int | None = None


class Detectable(NamedTuple):
    """The smallest difference that is found with ``POWER``, and the power there."""

    difference: float | None
    """In percentage points, or in ranks; None: not even the largest."""
    power: float


def verdict_power(difference: float, items: int, seed: int = 0, studies: int = STUDIES) -> float:
    """The share of studies in which McNemar's test finds a difference in share correct.

    Args:
        difference: 0 to 1 - ``BASE``, before the rater's errors.
        items: verdicts per system.
        seed: of the simulated studies.
        studies: how many.
    """
    both, first, second = _verdict_cells(difference)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(items, [both, first, second, max(0.0, 1 - both - first - second)], size=studies)
    only_first, only_second = drawn[:, 1].astype(float), drawn[:, 2].astype(float)
    discordant = only_first + only_second
    z = np.divide(only_first - only_second, np.sqrt(discordant), out=np.zeros(studies), where=discordant > 0)
    return float((np.abs(z) > Z).mean())


def _verdict_cells(difference: float) -> tuple[float, float, float]:
    """P(both called correct), P(only the better), P(only the other), the rater's errors included."""
    better, other = min(BASE + difference, 1 - 1e-9), BASE
    both = _bivariate(NormalDist().inv_cdf(better), NormalDist().inv_cdf(other), SHARED)
    table = np.array([[both, better - both], [other - both, 1 - better - other + both]])
    flip = np.array([[1 - ERROR, ERROR], [ERROR, 1 - ERROR]])
    seen = flip.T @ table @ flip
    return float(seen[0, 0]), float(seen[0, 1]), float(seen[1, 0])


def _bivariate(a: float, b: float, correlation: float) -> float:
    """P(X < a, Y < b) of two standard normal numbers, by summing over what they share."""
    points, weights = np.polynomial.hermite_e.hermegauss(64)
    normal = NormalDist().cdf
    rest = (1 - correlation) ** 0.5
    values = [normal((a - correlation**0.5 * t) / rest) * normal((b - correlation**0.5 * t) / rest) for t in points]
    return float(np.dot(values, weights) / weights.sum())


def rank_power(shift: float, items: int, systems: int, seed: int = 0, studies: int = STUDIES) -> tuple[float, float]:
    """(the share of studies in which a shift of quality is found, the mean difference in rank that it makes).

    The mean of ``items`` rank differences is normal but for few items, so studies are drawn from the moments of single items.
    """
    rng = np.random.default_rng(seed)
    n = 40_000
    quality = rng.standard_normal((n, systems))
    quality[:, 0] += shift
    places = (-quality).argsort(axis=1).argsort(axis=1)
    single = (places[:, 1] - places[:, 0]).astype(float)
    drawn = rng.choice(single, size=(studies, items)) if studies * items < 4_000_000 else None
    if drawn is not None:
        spread = drawn.std(axis=1, ddof=1) / items**0.5 if items > 1 else np.full(studies, np.inf)
        z = np.divide(drawn.mean(axis=1), spread, out=np.zeros(studies), where=spread > 0)
    else:
        z = rng.standard_normal(studies) + single.mean() / (single.std(ddof=1) / items**0.5)
    return float((np.abs(z) > Z).mean()), float(single.mean())


def smallest(power_of: Callable[[float], float], largest: float) -> Detectable:
    """The smallest difference up to ``largest`` that is found with ``POWER``, by halving."""
    if (at_most := power_of(largest)) < POWER:
        return Detectable(None, at_most)
    low, high = 0.0, largest
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= POWER else (middle, high)
    return Detectable(high, power_of(high))


def detectable_share(design: Design, seed: int = 0) -> Detectable:
    """The smallest difference in share correct, before the rater's errors."""
    return smallest(lambda d: verdict_power(d, design.items, seed), 1 - BASE)


def detectable_rank(design: Design, seed: int = 0) -> Detectable:
    """The smallest difference in mean rank."""
    found = smallest(lambda shift: rank_power(shift, design.items, design.systems, seed)[0], 4.0)
    if found.difference is None:
        return found
    return Detectable(rank_power(found.difference, design.items, design.systems, seed)[1], found.power)


def statement(design: Design, mode: Mode, seed: int = 0) -> list[str]:
    """The plan's power as sentences for its ``study.yaml`` and a paper's methods section."""
    lines = []
    if mode in ("rank", "correct"):
        share = detectable_share(design, seed)
        found = (
            "no difference at all" if share.difference is None else f"a difference of {100 * share.difference:.0f} points or more"
        )
        lines.append(
            f"Share correct: with {design.items} items, {found} between two systems is found in {100 * POWER:.0f} % of studies "
            f"(McNemar's test, two-sided, 5 %), if the lesser system is correct on {100 * BASE:.0f} %, the items' difficulty "
            f"correlates the two systems at {SHARED} (on a normal scale) and a rater errs in {100 * ERROR:.0f} % of verdicts."
        )
    if mode != "correct":
        rank = detectable_rank(design, seed)
        found = "no difference at all" if rank.difference is None else f"a difference of {rank.difference:.2f} or more"
        lines.append(
            f"Mean rank: with {design.items} items and {design.systems} systems, {found} in mean rank is found in "
            f"{100 * POWER:.0f} % of studies (normal test of the differences, two-sided, 5 %), if the answers' qualities are "
            "independent and normal."
        )
    if design.patients is not None and design.patients < design.items:
        lines.append(
            f"The items are about {design.patients} patients. Both figures take items as independent; where items of one patient "
            "resemble one another, less is seen."
        )
    lines.append(f"Simulated with {STUDIES:,} studies per step; for one comparison, without a correction for several.")
    return lines
