"""What the lexical metrics share: texts encoded once as token ids, and the best score over an item's references."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from ehrbench.metrics.metric import Scorable, Statistics

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.int32]

PairScores = Callable[[Sequence[str], Sequence[str]], Iterable[Any]]
"""(answers, references), of equal length, to one score a pair."""


class Memo(dict[Any, Any]):
    """A function of one argument that is computed once for each distinct argument."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, key: Hashable) -> Any:
        value = self[key] = self._function(key)
        return value


class Vocabulary(dict[str, int]):
    """Tokens numbered in the order in which they are first asked for."""

    def __missing__(self, token: str) -> int:
        number = self[token] = len(self)
        return number


def encoder(tokenize: Callable[[str], Iterable[str]]) -> Callable[[str], Ids]:
    """Return a function from a text to its tokens' ids; each distinct text is tokenised once, equal tokens share an id."""
    import numpy as np

    number = Vocabulary().__getitem__
    memo = Memo(lambda text: np.fromiter(map(number, tokenize(text)), dtype=np.int32))
    return memo.__getitem__


def word_encoder(split_word: Callable[[str], Iterable[str]]) -> Callable[[str], Ids]:
    """Return an encoder for a tokeniser that treats each run of non-space characters on its own: a word is split once."""
    import numpy as np

    number = Vocabulary().__getitem__
    numbers = Memo(lambda word: [number(token) for token in split_word(word)]).__getitem__
    memo = Memo(lambda text: np.fromiter(chain.from_iterable(map(numbers, text.split())), dtype=np.int32))
    return memo.__getitem__


def best_of_references(scorables: Sequence[Scorable], pair_scores: PairScores) -> list[Statistics | None]:
    """Score each item against each of its references and keep the highest; None for an item without references.

    Which references an item has is the caller's decision: the ``paper`` protocol passes the first alone.
    """
    answers = [scorable.answer for scorable in scorables for _ in scorable.references]
    references = [reference for scorable in scorables for reference in scorable.references]
    scores = iter(pair_scores(answers, references) if answers else ())
    return [(max(float(next(scores)) for _ in scorable.references),) if scorable.references else None for scorable in scorables]
