"""Numbers that a model gives: one that is not finite fails its item by name, and never becomes an answer or a score."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

NOT_A_NUMBER = (
    "the model's output is not a number: a weight is damaged, or the arithmetic overflowed (in float16, try --model-arg "
    "dtype=bfloat16 or float32)"
)
"""The error of an item whose tokens or probabilities came from such numbers; its answer would be the vocabulary's first token."""


class ItemError(Exception):
    """A failure of one item that is told in our own words, which quote nothing."""


class NotFiniteError(ItemError):
    """A model gave NaN or infinity."""

    def __init__(self) -> None:
        super().__init__(NOT_A_NUMBER)


def require_finite(values: Iterable[float]) -> None:
    """Check numbers of a model.

    Raises:
        NotFiniteError: one is NaN or infinite.
    """
    if not all(map(isfinite, values)):
        raise NotFiniteError


def failure(error: Exception) -> str:
    """The ``error`` of a response: the class alone, since a library's message may quote the prompt; ours may be shown."""
    return str(error) if isinstance(error, ItemError) else type(error).__name__
