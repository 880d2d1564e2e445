"""Where two tokenisations of overlapping text fall into step.

A tokenizer reads a text from left to right, and what it makes of a place depends on the text near by. So a piece of a text that
is tokenised alone differs from the whole text's tokens only near its edges. Once the two agree over a run of tokens that holds
the end of a word, they agree from there on, and the middle of a record need not be tokenised again to count a prompt.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from typing import NamedTuple

from ehrbench.models.protocol import Tokens

AGREEING_TOKENS = 32
"""Tokens in a row that must be the same, ids and places, before two tokenisations count as in step."""

# A letter or digit, then white space or a mark: every pre-tokenizer ends a word there. A run of one repeated mark, of digits or
# of letters may agree by accident of alignment and is no proof.
WORD_END = re.compile(r"[^\W_][\s,.;:()<>/=。，；：、（）]")


class Run(NamedTuple):
    """Consecutive tokens of a text: all of them, or those at its end."""

    ids: array[int]
    starts: array[int]
    """Offset in the text at which each token begins; never decreases."""
    offset: int
    """The run holds every token of ``text[offset:]``; 0 for the whole text."""

    def at(self, offset: int) -> int:
        """The first token that begins at or after ``offset``."""
        return bisect_left(self.starts, offset)

    def boundary(self, index: int) -> int:
        """The first token at or after ``index`` that does not begin inside a character shared with the token before."""
        while 0 < index < len(self.starts) and self.starts[index] == self.starts[index - 1]:
            index += 1
        return index

    def boundary_before(self, index: int, first: int) -> int:
        """The last token at or before ``index``, and not before ``first``, that begins a character of its own."""
        while first < index < len(self.starts) and self.starts[index] == self.starts[index - 1]:
            index -= 1
        return index

    def start_of(self, index: int, end: int) -> int:
        """Offset at which the token begins; ``end`` for the token after the last."""
        return self.starts[index] if index < len(self.starts) else end


def run_of(tokens: Tokens, shift: int = 0) -> Run:
    """A compact copy of ``tokens``, their offsets moved by ``shift``."""
    starts = array("q", tokens.starts)
    if shift:
        starts = array("q", (start + shift for start in starts))
    return Run(array("q", tokens.ids), starts, shift)


def in_step(text: str, piece: Run, known: Run, *, begin: int, end: int) -> tuple[int, int] | None:
    """The first place from which ``piece`` and ``known`` have the same tokens.

    Args:
        text: what the offsets of both refer to.
        piece: the tokenisation to place.
        known: the tokenisation to be found again.
        begin: look at tokens that begin here or later.
        end: the agreeing tokens must all begin before this offset.

    Returns:
        Index in ``piece`` and index in ``known`` of the first agreeing token after the end of a word, or None.
    """
    last = piece.at(end) - AGREEING_TOKENS
    at = piece.boundary(piece.at(begin))
    while at <= last:
        there = known.at(piece.starts[at])
        ours, theirs = slice(at, at + AGREEING_TOKENS), slice(there, there + AGREEING_TOKENS)
        if piece.starts[ours] == known.starts[theirs] and piece.ids[ours] == known.ids[theirs]:
            word_end = WORD_END.search(text, piece.starts[at], piece.starts[at + AGREEING_TOKENS - 1] + 1)
            if word_end:
                # What precedes the end of the word may agree by accident; what follows it does not depend on it.
                after = piece.boundary(piece.at(word_end.start() + 1))
                return after, there + after - at
        at = piece.boundary(at + 1)
    return None
