"""How an answer came to its scores: the words it shares with a gold answer, labels hit and missed, numbers read."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from ehrbench.metrics._quantities import quantities
from ehrbench.readers.item import Item

LONGEST = 4_000
"""Words of a text that are compared."""
_WORD = re.compile(r"\w+", re.UNICODE)


class Piece(NamedTuple):
    """A stretch of a text."""

    text: str
    shared: bool


class NGrams(NamedTuple):
    """How many n-grams answer and gold share."""

    n: int
    shared: int
    answer: int
    gold: int


class Working(NamedTuple):
    """What is shown of one answer."""

    pieces: Sequence[Piece]
    """The answer, divided into what it shares with ``against`` and what not."""
    nearest: int | None
    """The gold answer that it is nearest to, from 1."""
    ngrams: Sequence[NGrams]
    hits: Sequence[str]
    missed: Sequence[str]
    read: Sequence[str]
    """Numbers read from the answer, where the gold is a number."""
    gold: str
    """The typed gold, where there is one."""


def working(item: Item, answer: str, against: str | None = None) -> Working:
    """Compare an answer with the item's golds.

    Args:
        item: with its golds.
        answer: after the task's clean-ups.
        against: mark what is shared with this text instead of the nearest gold.
    """
    golds = item.references
    ratios = [shared_words(answer, gold)[1] for gold in golds]
    nearest = max(range(len(golds)), key=lambda k: ratios[k]) if golds else None
    target = against if against is not None else golds[nearest] if nearest is not None else None
    said = {label.casefold().strip(" .") for label in re.split(r"[\n;]", answer)}
    hits = [label for label in item.labels if label.casefold().strip(" .") in said]
    typed: Any = item.meta.get("gold")
    gold = ""
    read: list[str] = []
    if isinstance(typed, dict) and "type" in typed:
        gold = f"{typed['type'].replace('_', ' ')}: {typed.get('value')} {typed.get('unit') or ''}".strip()
        if typed["type"] in ("number", "time", "duration", "count"):
            read = [
                "not a single number" if math.isnan(q.value) else f"{q.value:g} {q.unit or ''}".strip()
                for q in quantities(answer)
            ]
    return Working(
        pieces=[Piece(answer, False)] if target is None else shared_words(answer, target)[0],
        nearest=None if nearest is None else nearest + 1,
        ngrams=[] if nearest is None else count_ngrams(answer, golds[nearest]),
        hits=hits,
        missed=[label for label in item.labels if label not in hits],
        read=read,
        gold=gold,
    )


def shared_words(text: str, other: str) -> tuple[list[Piece], float]:
    """A text divided into runs of words that another has in the same order and others; the share of words that are shared."""
    spans = [match.span() for match in _WORD.finditer(text)][:LONGEST]
    words = [text[s:e].casefold() for s, e in spans]
    others = [match[0].casefold() for match in _WORD.finditer(other)][:LONGEST]
    if not words:
        return [Piece(text, False)] if text else [], 0.0
    matcher = SequenceMatcher(None, words, others, autojunk=False)
    pieces: list[Piece] = []
    at = shared = 0
    for a, _, size in matcher.get_matching_blocks():
        if not size:
            continue
        start, end = spans[a][0], spans[a + size - 1][1]
        if start > at:
            pieces.append(Piece(text[at:start], False))
        pieces.append(Piece(text[start:end], True))
        at, shared = end, shared + size
    if at < len(text):
        pieces.append(Piece(text[at:], False))
    return pieces, 2 * shared / (len(words) + len(others))


def count_ngrams(answer: str, gold: str) -> list[NGrams]:
    """Matched n-grams of words, n from 1 to 4: what ROUGE and BLEU are made of, but for their own tokenisers."""
    a, g = ([match[0].casefold() for match in _WORD.finditer(text)] for text in (answer, gold))
    rows = []
    for n in range(1, 5):
        ours, theirs = (Counter(zip(*(words[k:] for k in range(n)), strict=False)) for words in (a, g))
        if theirs.total():
            rows.append(NGrams(n, (ours & theirs).total(), ours.total(), theirs.total()))
    return rows
