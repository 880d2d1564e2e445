"""ROUGE-L over sets of distinct words, summary level: what PyPI's ``rouge`` computes by default and MedS-Bench prints as ROUGE-1.

For each sentence of the reference and each of the answer the words on *one* longest common subsequence are taken, the one that
``rouge`` finds walking back from the ends; their union over all pairs of sentences is compared with the distinct words of either
side. One bit-parallel pass over a reference sentence serves all sentences of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

EPSILON = 1e-8
"""What ``rouge`` adds to the denominator of F, so that a perfect answer scores 1/(1 + 5e-9)."""


def sentences(text: str) -> list[list[str]]:
    """Words between full stops, any full stop; a piece of white space only is one empty word, which counts."""
    return [" ".join(piece.split()).split(" ") for piece in text.split(".") if piece]


class Answer(NamedTuple):
    """An answer's sentences side by side in one row of bits, a free bit after each."""

    places: dict[str, int]
    """Where each word stands, as bits."""
    spans: list[tuple[int, int]]
    """First bit of a sentence, and the one after its last."""
    used: int
    """The bits that are words."""


def lay_out(answer: Sequence[Sequence[str]]) -> Answer:
    """Give each word of an answer its bit."""
    places: dict[str, int] = {}
    spans: list[tuple[int, int]] = []
    used = bit = 0
    for sentence in answer:
        start = bit
        for word in sentence:
            places[word] = places.get(word, 0) | 1 << bit
            bit += 1
        spans.append((start, bit))
        used |= (1 << bit) - (1 << start)
        bit += 1
    return Answer(places, spans, used)


def union_of_lcs(reference: Sequence[Sequence[str]], answer: Answer) -> set[str]:
    """Words that lie on the longest common subsequence of some pair of sentences."""
    found: set[str] = set()
    for sentence in reference:
        wanted = 0
        for word in sentence:
            if word not in found:
                wanted |= answer.places.get(word, 0)
        if wanted:
            _add_lcs(sentence, answer, wanted, found)
    return found


def _add_lcs(sentence: Sequence[str], answer: Answer, wanted: int, found: set[str]) -> None:
    """Add the words on the common subsequences with those sentences of the answer that hold a wanted word.

    Bit j of ``row`` is 0 where the subsequence grows at the answer's word j (Hyyrö 2004). Walking back from (i, j): equal
    words are taken; where it grows at j, the row above holds more than the column before, so the walk goes up; else it goes to
    the column before. Hence the next place to look at is the highest bit at or below j that is equal or grows.
    """
    places, used = answer.places, answer.used
    row = used
    rows: list[tuple[str, int, int]] = []
    for word in sentence:
        equal = places.get(word, 0)
        if equal:
            grown = row & equal
            # The free bit after each sentence takes the carry of the addition.
            row = ((row + grown) | (row - grown)) & used
        rows.append((word, equal, equal | (used & ~row)))
    rows.reverse()
    for start, end in answer.spans:
        below = (1 << end) - (1 << start)
        if not wanted & below:
            continue
        for word, equal, stops in rows:
            here = stops & below
            if not here:
                break
            top = 1 << (here.bit_length() - 1)
            if equal & top:
                found.add(word)
                below &= top - 1
            else:
                below &= (top << 1) - 1


def f_score(answer: str, reference: str) -> float:
    """F of the two texts; 0 where one has no sentence, on which ``rouge`` raises."""
    theirs, ours = sentences(reference), sentences(answer)
    return f_of_sentences(ours, theirs)


def f_of_sentences(answer: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> float:
    """F of two lists of sentences."""
    if not answer or not reference:
        return 0.0
    layout = lay_out(answer)
    common = len(union_of_lcs(reference, layout))
    precision = common / len(layout.places)
    recall = common / len({word for sentence in reference for word in sentence})
    return 2.0 * (precision * recall / (precision + recall + EPSILON))
