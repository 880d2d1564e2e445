"""The most common class: what a classification score has to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def majority(classes: Iterable[str]) -> tuple[str, float]:
    """The most common class and its share; of equally frequent ones the first in alphabetical order.

    Raises:
        ValueError: there is none.
    """
    counts = Counter(classes)
    if not counts:
        raise ValueError("no classes")
    best = min(counts, key=lambda name: (-counts[name], name))
    return best, counts[best] / counts.total()
