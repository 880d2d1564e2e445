"""ROUGE-1, ROUGE-2 and ROUGE-L (F measure) with the numbers of the ``rouge_score`` package, without stemming.

MedAlign's setting (the package's default tokenizer). Lower-cased runs of a-z and 0-9 are tokens, so text in another script has
none and scores 0. An empty answer or reference scores 0, both empty too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ehrbench.metrics._texts import Encoder, MatchCounts, best_of_references, pair_counter
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, nearest, shared_runs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float64]

_SEPARATORS = bytes.maketrans(
    bytes(range(256)), bytes(b if chr(b) in "abcdefghijklmnopqrstuvwxyz0123456789" else ord(" ") for b in range(256))
)


def tokenize(text: str) -> list[bytes]:
    """Lower-cased runs of a-z and 0-9: the tokens of ``rouge_score``'s default tokenizer."""
    # Lower first: some letters beyond ASCII have a lower case within it (the Kelvin sign).
    return text.lower().encode("ascii", "replace").translate(_SEPARATORS).split()


@lru_cache(maxsize=1)
def _encoder() -> Encoder:
    return Encoder(tokenize)


@lru_cache(maxsize=1)
def _counter() -> Callable[[Iterable[str], Iterable[str]], MatchCounts]:
    return pair_counter(_encoder(), 2)


def f_measure(matches: npt.ArrayLike, answer: npt.ArrayLike, reference: npt.ArrayLike) -> Scores:
    """Harmonic mean of matches/answer and matches/reference; 0 without a match. Bit for bit ``rouge_score``'s."""
    import numpy as np

    matches = np.asarray(matches, dtype=np.float64)
    precision = matches / np.maximum(answer, 1)
    recall = matches / np.maximum(reference, 1)
    both = precision + recall
    return np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)


def _rouge_n(answers: Sequence[str], references: Sequence[str], n: int) -> Scores:
    counts = _counter()(answers, references)
    return f_measure(counts.matches[:, n - 1], counts.answer[:, n - 1], counts.reference[:, n - 1])


def _rouge_l(answers: Sequence[str], references: Sequence[str]) -> Scores:
    from rapidfuzz.distance.LCSseq import similarity

    a, r = _encoder().pairs(answers, references)
    # A token is one character to rapidfuzz, which saves it the hashing of tokens.
    longest = [similarity(_as_characters(x), _as_characters(y)) for x, y in zip(a, r, strict=True)]
    return f_measure(longest, [len(x) for x in a], [len(x) for x in r])


def _as_characters(ids: npt.NDArray[np.int32]) -> Sequence[Hashable]:
    if len(ids) and ids.max() > sys.maxunicode:
        numbers: list[int] = ids.tolist()
        return numbers
    return ids.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def score_rouge_n(scorables: Sequence[Scorable], n: int) -> list[Statistics | None]:
    """ROUGE-N F measure of each item, the highest over its references."""
    return best_of_references(scorables, partial(_rouge_n, n=n))


def score_rouge_l(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """ROUGE-L F measure (longest common subsequence of the whole texts) of each item, the highest over its references."""
    return best_of_references(scorables, _rouge_l)


def _tokens(text: str) -> list[str]:
    return [token.decode() for token in tokenize(text)]


def _reads_runs(scorable: Scorable, n: int) -> Reading:
    return shared_runs(_tokens(scorable.answer), _tokens(nearest(scorable, partial(_rouge_n, n=n))), (n,))


def _reads_sequence(scorable: Scorable) -> Reading:
    from rapidfuzz.distance import LCSseq

    answer, gold = _tokens(scorable.answer), _tokens(nearest(scorable, _rouge_l))
    common = [answer[block.a + k] for block in LCSseq.opcodes(answer, gold).as_matching_blocks() for k in range(block.size)]
    counts = f"{len(common)} of {len(answer)} words of the answer, of {len(gold)} of the gold answer"
    return {"longest shared sequence": counts + (f": {' '.join(common)}" if common else "")}


_SETTINGS = {"tokenizer": "rouge_score-default", "stem": False, "measure": "f", "references": "max"}

_rouge = partial(
    Metric,
    version=1,
    kind="item_mean",
    settings=_SETTINGS,
    cite="Lin. ROUGE: A Package for Automatic Evaluation of Summaries. Text Summarization Branches Out, 2004.",
)

ROUGE_1 = _rouge(
    name="rouge_1",
    label="ROUGE-1",
    score=partial(score_rouge_n, n=1),
    reads=partial(_reads_runs, n=1),
    about="Overlap of single words with the gold answer, wherever they stand (F measure).",
)
ROUGE_2 = _rouge(
    name="rouge_2",
    label="ROUGE-2",
    score=partial(score_rouge_n, n=2),
    reads=partial(_reads_runs, n=2),
    about="Overlap of pairs of neighbouring words with the gold answer (F measure).",
)
ROUGE_L = _rouge(
    name="rouge_l",
    label="ROUGE-L",
    score=score_rouge_l,
    reads=_reads_sequence,
    about="The longest sequence of words that answer and gold answer share in the same order, gaps allowed (F measure).",
)
