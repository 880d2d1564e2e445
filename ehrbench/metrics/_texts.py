"""What the lexical metrics share: texts encoded once as token ids, and the best score over an item's references."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from ehrbench.metrics.metric import Scorable, Statistics

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.int32]
    Counts = npt.NDArray[np.int64]

REMEMBERED_CHARACTERS = 20_000_000
REMEMBERED_CALLS = 64

Tokenize = Callable[[str], Iterable[Hashable]]

PairScores = Callable[[Sequence[str], Sequence[str]], Iterable[Any]]
"""(answers, references), of equal length, to one score a pair."""


class Memo(dict[Any, Any]):
    """A function of one argument that is computed once for each distinct argument."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, key: Hashable) -> Any:
        value = self[key] = self._function(key)
        return value


class Vocabulary(dict[Hashable, int]):
    """Tokens numbered in the order in which they are first asked for."""

    def __missing__(self, token: Hashable) -> int:
        number = self[token] = len(self)
        return number


def by_word(split_word: Tokenize) -> Tokenize:
    """Make a tokeniser that treats each run of non-space characters on its own; a distinct word is split once."""
    words = Memo(split_word).__getitem__
    return lambda text: chain.from_iterable(map(words, text.split()))


class Encoder:
    """Texts as arrays of token ids, each distinct text encoded once.

    What was encoded is remembered from one metric to the next, up to a bound; equal tokens have equal ids within one call.
    """

    def __init__(self, tokenize: Tokenize) -> None:
        """Make an encoder for a tokeniser."""
        self._tokenize = tokenize
        self._lock = Lock()  # two threads would give two tokens one number
        self._forget()

    def pairs(self, answers: Iterable[str], references: Iterable[str]) -> tuple[list[Ids], list[Ids]]:
        """Encode answers and their references, in one numbering."""
        with self._lock:
            if self._characters > REMEMBERED_CHARACTERS:
                self._forget()
            return [self._texts[text] for text in answers], [self._texts[text] for text in references]

    def _forget(self) -> None:
        self._number = Vocabulary().__getitem__
        self._texts = Memo(self._encode)
        self._characters = 0

    def _encode(self, text: str) -> Ids:
        import numpy as np

        self._characters += len(text)
        return np.fromiter(map(self._number, self._tokenize(text)), dtype=np.int32)


class MatchCounts(NamedTuple):
    """N-gram counts of pairs, for n = 1 to some order: int64[pairs, order] each, and token counts int64[pairs]."""

    matches: Counts
    """N-grams in both, each as often as in the one that has fewer."""
    answer: Counts
    """N-grams of the answer."""
    reference: Counts
    answer_length: Counts
    reference_length: Counts


def pair_counter(encoder: Encoder, order: int) -> Callable[[Iterable[str], Iterable[str]], MatchCounts]:
    """Return a function from answers and references to n-gram counts.

    It remembers its latest answers, because the metrics of a family ask for the same texts in turn.
    """
    from ehrbench.metrics._ngrams import clipped_matches, lengths, totals

    @lru_cache(maxsize=REMEMBERED_CALLS)
    def count(answers: tuple[str, ...], references: tuple[str, ...]) -> MatchCounts:
        a, r = encoder.pairs(answers, references)
        return MatchCounts(clipped_matches(a, r, order), totals(a, order), totals(r, order), lengths(a), lengths(r))

    return lambda answers, references: count(tuple(answers), tuple(references))


def best_of_references(scorables: Sequence[Scorable], pair_scores: PairScores) -> list[Statistics | None]:
    """Score each item against each of its references and keep the highest; None for an item without references.

    Which references an item has is the caller's decision: the ``paper`` protocol passes the first alone.
    """
    answers = [scorable.answer for scorable in scorables for _ in scorable.references]
    references = [reference for scorable in scorables for reference in scorable.references]
    scores = iter(pair_scores(answers, references) if answers else ())
    return [(max(float(next(scores)) for _ in scorable.references),) if scorable.references else None for scorable in scorables]
