"""The commonest gold answer: what a classification score has to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ehrbench.readers.item import Item


def gold_class(item: Item) -> str:
    """An item's gold as one class: its labels (the letters of a multiple-choice question), else its first reference verbatim."""
    if item.labels:
        return ", ".join(item.labels)
    return item.references[0] if item.references else ""


def majority(classes: Iterable[str]) -> tuple[str, float]:
    """The commonest class and its share; of equally common ones the first in alphabetical order.

    Raises:
        ValueError: there is none.
    """
    counts = Counter(classes)
    if not counts:
        raise ValueError("no classes")
    best = min(counts, key=lambda name: (-counts[name], name))
    return best, counts[best] / counts.total()
