"""What goes into a batch of the ``hf`` backend and what comes out, in token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One request, ready for a batch."""

    ids: Sequence[int]
    """The prompt."""
    max_tokens: int
    """Most tokens to generate."""
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    is_finished: Callable[[list[int]], bool] | None = None
    """Asked after each token with the tokens so far, for stop strings."""


class Generated(NamedTuple):
    """What a row became."""

    ids: list[int]
    """The new tokens, without the end token."""
    ended: bool
    """An end token was generated."""
    finite: bool = True
    """False where a token was chosen by scores that are not numbers."""
