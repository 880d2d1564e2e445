"""Counting a prompt that holds many pieces of a record without tokenising the pieces again.

Each long piece is cut down to its two ends, and the shortened prompt is tokenised. Where it has the record's own tokens on both
sides of a cut, so has the prompt itself, and between them the tokens that the record has there: they only need adding up.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.context.joints import AGREEING_TOKENS, WORD_END, Run
from ehrbench.context.spans import Span
from ehrbench.context.tokens import RecordTokens
from ehrbench.models.protocol import Tokens

_AGREEING_TOKENS = AGREEING_TOKENS // 2
"""Tokens on either side of a cut that must be the record's, the end of a word among them on each side."""
_EDGE_TOKENS = _AGREEING_TOKENS + 4
_SEARCHED_TOKENS = 12
_BETWEEN_WORDS = re.compile(r"(?<=\S) (?=\S)")
_ATTEMPTS = 2


class _Cut(NamedTuple):
    """What is left out of a piece: offsets in the record, and the first token from each on."""

    start: int
    end: int
    first: int
    last: int


def joined(text: str, spans: Sequence[Span]) -> str:
    """The text of spans in the record's order, each beginning on a line of its own."""
    return "".join(_separator(text, spans, i) + text[start:end] for i, (start, end) in enumerate(spans))


def count_spliced(tokens: RecordTokens, before: str, spans: Sequence[Span], after: str) -> int:
    """Tokens of ``before + joined(text, spans) + after``, exactly.

    Args:
        tokens: the record's.
        before: the prompt's text before the record.
        spans: in the record's order, without overlap.
        after: the prompt's text after the record.
    """
    text, run = tokens.text, tokens.full()
    cuts = [_cut(text, run, span) for span in spans]
    for _ in range(_ATTEMPTS):
        if not any(cuts):
            break
        shortened, places = _shortened(text, before, spans, after, cuts)
        kept = tokens.tokenizer.encode(shortened)
        held = [cut is None or _holds(kept, place, run, cut) for cut, place in zip(cuts, places, strict=True)]
        if all(held):
            return len(kept.ids) + sum(cut.last - cut.first for cut in cuts if cut)
        cuts = [cut if holds else None for cut, holds in zip(cuts, held, strict=True)]
    return tokens.tokenizer.count(f"{before}{joined(text, spans)}{after}")


def _separator(text: str, spans: Sequence[Span], i: int) -> str:
    """What stands before span ``i``."""
    return "" if i == 0 or text.endswith("\n", 0, spans[i - 1].end) else "\n"


def _cut(text: str, run: Run, span: Span) -> _Cut | None:
    """The middle of a long piece, from one space between words to another; each end keeps enough tokens to be recognised by."""
    first = 0 if span.start <= 0 else run.at(span.start)
    last = run.at(span.end) if span.end < len(text) else len(run.ids)
    if last - first < 2 * (_EDGE_TOKENS + _SEARCHED_TOKENS):
        return None
    starts, ends = _spaces(text, run, first + _EDGE_TOKENS), _spaces(text, run, last - _EDGE_TOKENS - _SEARCHED_TOKENS)
    if not starts or not ends or starts[0] >= ends[-1]:
        return None
    start, end = starts[0], ends[-1]
    cut = _Cut(start, end, run.at(start), run.at(end))
    left, right = run.starts[cut.first - _AGREEING_TOKENS], run.starts[cut.last + _AGREEING_TOKENS - 1]
    recognised = WORD_END.search(text, left, start) and WORD_END.search(text, end, right)
    return cut if recognised else None


def _spaces(text: str, run: Run, token: int) -> list[int]:
    """Offsets of the spaces between two words among the tokens from ``token`` on."""
    found = _BETWEEN_WORDS.finditer(text, run.starts[token], run.starts[token + _SEARCHED_TOKENS])
    return [match.start() for match in found]


def _shortened(text: str, before: str, spans: Sequence[Span], after: str, cuts: Sequence[_Cut | None]) -> tuple[str, list[int]]:
    """The prompt without what the cuts leave out, and where in it each cut is."""
    parts, places, length = [before], [], len(before)
    for i, (span, cut) in enumerate(zip(spans, cuts, strict=True)):
        head = _separator(text, spans, i) + text[span.start : cut.start if cut else span.end]
        tail = text[cut.end : span.end] if cut else ""
        places.append(length + len(head))
        length += len(head) + len(tail)
        parts += head, tail
    return "".join([*parts, after]), places


def _holds(kept: Tokens, place: int, run: Run, cut: _Cut) -> bool:
    """Whether the tokens on both sides of a cut are the record's, each in its place."""
    n, at = _AGREEING_TOKENS, bisect_left(kept.starts, place)
    return (
        kept.ids[at - n : at + n] == [*run.ids[cut.first - n : cut.first], *run.ids[cut.last : cut.last + n]]
        and kept.starts[at - n] - place == run.starts[cut.first - n] - cut.start
        and kept.starts[at] - place == run.starts[cut.last] - cut.end
    )
