"""The stretches of a stay that questions ask about (protocol page, section 3.2).

They are reckoned from the admission's ``dischtime``, not from its last event, and nothing checks that one fits inside the stay.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from ehrbench.mimic.cohort import MICROSECONDS_PER_HOUR as HOUR

SPANS_HOURS = (12, 24, 48)
N_DRAWN_DAYS = 3


class Period(NamedTuple):
    """A half-open stretch of time, in microseconds since admission."""

    text: str
    low_us: int | None
    """First moment inside; None: everything before, too."""
    high_us: int | None
    """First moment after; None: everything later, too."""


ENTIRE_STAY = Period("during the entire stay", None, None)


_FIRST = [Period(f"during the first {n} hours", None, n * HOUR) for n in SPANS_HOURS]
_LAST = [(f"during the last {n} hours", n * HOUR) for n in SPANS_HOURS]


def fixed_periods(los_us: int) -> list[Period]:
    """The six first and last hours."""
    return [*_FIRST, *(Period(text, los_us - span, None) for text, span in _LAST)]


def n_days(los_us: int) -> int:
    """Days begun: a stay of 23 hours has 1, one of 24 hours has 2."""
    return los_us // (24 * HOUR) + 1


def day(number: int) -> Period:
    """One day of the stay, the first being 1."""
    return Period(f"during day {number}", 24 * (number - 1) * HOUR, 24 * number * HOUR)


def every_period(los_us: int) -> list[Period]:
    """Every period that a question about this stay can name."""
    return [*fixed_periods(los_us), *(day(n) for n in range(1, n_days(los_us) + 1)), ENTIRE_STAY]


def draw_period(los_us: int, random: Random) -> Period:
    """One of the six first and last hours and of up to three days drawn for the purpose, uniformly."""
    n = n_days(los_us)
    days = {random.randrange(n) + 1 for _ in range(N_DRAWN_DAYS)}
    drawn = random.randrange(len(_FIRST) + len(_LAST) + len(days))
    if drawn < len(_FIRST):
        return _FIRST[drawn]
    drawn -= len(_FIRST)
    if drawn < len(_LAST):
        text, span = _LAST[drawn]
        return Period(text, los_us - span, None)
    return day(sorted(days)[drawn - len(_LAST)])
