"""Questions that say nearly the same: MedAlign's curation took two instructions with ROUGE-L above 0.7 for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ehrbench.bm25 import tokenize

THRESHOLD = 0.7
"""ROUGE-L above which MedAlign's authors took two instructions for near-duplicates (Fleming et al. 2024, appendix)."""
_ROUNDING = 1e-9


class Pair(NamedTuple):
    """Two texts that say nearly the same."""

    first: int
    """Position of the earlier one."""
    second: int
    rouge_l: float
    """F measure, above the threshold, up to 1."""


def near_duplicates(texts: Sequence[str], threshold: float = THRESHOLD) -> Iterator[Pair]:
    """Every pair of texts whose ROUGE-L (F measure of the longest common subsequence of words) is above a threshold.

    Words are lower-cased runs of letters and digits, of any script. For English this gives the numbers of the metric ``rouge_l``.
    Two texts without a word are no pair.

    Args:
        texts: say 300 to 10,000 questions; the time grows with the square of their number.
        threshold: 0 to 1.

    Yields:
        Pairs in the order of their second text, then of their first.
    """
    import numpy as np
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    ids: dict[str, int] = {}
    words = [[ids.setdefault(word, len(ids)) for word in tokenize(text)] for text in texts]
    for second, here in enumerate(words):
        if not here or not second:
            continue
        # Twice the common subsequence over both lengths: rapidfuzz's name for ROUGE-L's F measure is the Indel similarity.
        scores = cdist([here], words[:second], scorer=Indel.normalized_similarity, dtype=np.float64)[0]
        for first in np.flatnonzero(scores > threshold + _ROUNDING).tolist():
            yield Pair(first, second, float(scores[first]))
