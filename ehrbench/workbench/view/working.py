"""How an answer came to its scores: the words it shares with a gold answer, and what each metric read from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ehrbench.errors import EhrbenchError
from ehrbench.metrics import METRICS
from ehrbench.metrics.metric import Scorable

LONGEST = 4_000
"""Words of a text that are compared."""
_WORD = re.compile(r"\w+", re.UNICODE)


class Piece(NamedTuple):
    """A stretch of a text."""

    text: str
    shared: bool


class Read(NamedTuple):
    """What one metric read."""

    metric: str
    """Its label."""
    lines: Sequence[tuple[str, str]]


class Working(NamedTuple):
    """What is shown of one answer."""

    pieces: Sequence[Piece]
    """The answer, divided into what it shares with ``against`` and what not."""
    nearest: int | None
    """The gold answer that it is nearest to, from 1."""
    read: Sequence[Read]
    """Of each metric that can say how it came to its score."""


def working(scorable: Scorable, metrics: Iterable[str], against: str | None = None) -> Working:
    """Compare an answer with the item's golds.

    Args:
        scorable: the answer as the task's metrics see it.
        metrics: by name; one that this machine does not have is left out.
        against: mark what is shared with this text instead of the nearest gold.
    """
    golds = scorable.references
    ratios = [shared_words(scorable.answer, gold)[1] for gold in golds]
    nearest = max(range(len(golds)), key=lambda k: ratios[k]) if golds else None
    target = against if against is not None else golds[nearest] if nearest is not None else None
    return Working(
        pieces=[Piece(scorable.answer, False)] if target is None else shared_words(scorable.answer, target)[0],
        nearest=None if nearest is None else nearest + 1,
        read=[read for name in metrics if (read := _read(name, scorable)) is not None],
    )


def _read(name: str, scorable: Scorable) -> Read | None:
    try:
        metric = METRICS.get(name)
        lines = metric.reads(scorable) if metric.reads is not None else {}
    except EhrbenchError:  # nothing of that name here, or what it reads with is not on this machine
        return None
    return Read(metric.label, list(lines.items())) if lines else None


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
