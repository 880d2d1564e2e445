"""Which tokens a choice's spellings begin with after a given prompt: what a read-out of P(yes) looks at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ehrbench.models.finite import require_finite
from ehrbench.models.hf.tokenizer import HFTokenizer

_TAIL = 256
"""Characters of the prompt's end that a spelling is tokenised with: a record need not be tokenised again for each."""


class Spellings(NamedTuple):
    """The spellings of the choices as tokens; in each, the order is the choices'."""

    sequences: tuple[tuple[tuple[int, ...], ...], ...]
    """All tokens of each distinct spelling of each choice."""
    whole: bool = False
    """Whole spellings are asked for."""

    @property
    def first(self) -> list[list[int]]:
        """The distinct first tokens of each choice."""
        return [sorted({tokens[0] for tokens in spellings}) for spellings in self.sequences]

    @property
    def collide(self) -> bool:
        """Whole spellings count: asked for, or two choices share a first token, so that it cannot tell them apart."""
        if self.whole:
            return True
        every = [token for tokens in self.first for token in tokens]
        return len(every) != len(set(every))


class SpellingReader:
    """Tokenises spellings in the context of a prompt's end, once for each end that occurs."""

    def __init__(self, tokenizer: HFTokenizer) -> None:
        self._tokenizer = tokenizer
        self._after = lru_cache(maxsize=4096)(self._read)

    def read(self, prompt: str, choices: Sequence[Sequence[str]], whole: bool = False) -> Spellings:
        """The tokens of every spelling as they follow ``prompt``.

        Where a spelling merges with the prompt's last token, so that it has no first token of its own, it is tokenised alone.

        Raises:
            ValueError: a choice has no spelling that makes a token.
        """
        tail = prompt[-_TAIL:]
        sequences = tuple(
            tuple(dict.fromkeys(tokens for spelling in spellings if (tokens := self._after(tail, spelling))))
            for spellings in choices
        )
        if not all(sequences):
            raise ValueError("a choice has no spelling that makes a token")
        return Spellings(sequences, whole)

    def _read(self, tail: str, spelling: str) -> tuple[int, ...]:
        before = self._tokenizer.ids(tail)
        after = self._tokenizer.ids(tail + spelling)
        if len(after) > len(before) and after[: len(before)] == before:
            return tuple(after[len(before) :])
        return tuple(self._tokenizer.ids(spelling))


def log_sums(values: Sequence[float], lengths: Sequence[int]) -> list[float]:
    """Logarithms of the summed probabilities of consecutive groups of log-probabilities, a group's size in ``lengths``."""
    edges = np.cumsum([0, *lengths])
    with np.errstate(invalid="ignore"):  # NaN is for ``normalised`` to report
        return [float(np.logaddexp.reduce(values[a:b])) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def normalised(logs: Sequence[float]) -> tuple[tuple[float, ...], float]:
    """The choices' shares, which sum to 1, and the mass that they held before.

    Raises:
        NotFiniteError: a logarithm is not a number, or all choices have probability 0.
    """
    with np.errstate(invalid="ignore"):
        total = np.logaddexp.reduce(logs)
    require_finite([total])
    return tuple(float(share) for share in np.exp(np.asarray(logs) - total)), float(np.exp(total))
