"""Retrieval: the pieces of a record that BM25 finds closest to the question, shown in chronological order.

Pieces are the record's dated entries, or stretches of 256 tokens where it has none. The best are taken until the window is full
and the last one is cut to fit, so that no better piece is lost to a worse one. Equal scores (a question without a word of the
record) put the newest first.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from ehrbench.context.fit import fits_whole, room_for_record, whole
from ehrbench.context.fitted import Fitted, Part, Span, counted, entry_pieces, token_pieces
from ehrbench.context.tokens import AGREEING_TOKENS, WORD_END, RecordTokens, Run, record_tokens
from ehrbench.context.window import Frame, Limit, Overflow, Window
from ehrbench.models.protocol import Tokens
from ehrbench.records.record import Record

if TYPE_CHECKING:
    from ehrbench.bm25 import Okapi

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


PIECE_TOKENS = 256
_INDEXED_RECORDS = 4


def retrieve(record: Record, frame: Frame, window: Window, question: str) -> Fitted:
    """Select from the record what the question asks about.

    Raises:
        Overflow: the prompt leaves no room for any of the record.
    """
    if fits_whole(record, frame, window) is None:
        return whole("retrieve", record, window)
    index = _index(record, counted(record, window))
    from ehrbench.bm25 import tokenize

    scores = index.okapi.scores(tokenize(question))
    ranking = sorted(range(len(index.pieces)), key=lambda i: (-float(scores[i]), -i))
    keeps_end = len(set(map(float, scores))) == 1
    chosen = _fill(record, frame, window, [index.pieces[i] for i in ranking], keeps_end)
    spans = merged(chosen)
    tokens = counted(record, window)
    seen = sum(tokens.whole_between(span.start, span.end) for span in spans)
    return Fitted(
        policy="retrieve",
        parts=(Part(joined(record.text, spans), spans[0].start, seen),),
        total_tokens=tokens.total,
        seen_tokens=seen,
        first_time=record.first_time(spans[0].start),
        tokenizer=tokens.tokenizer.name,
        shown=[spans],
    )


def merged(spans: Sequence[Span]) -> list[Span]:
    """The spans in the record's order, neighbours made one."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and result[-1].end == span.start:
            span = Span(result.pop().start, span.end)
        result.append(span)
    return result


def _fill(record: Record, frame: Frame, window: Window, ranked: Sequence[Span], keeps_end: bool) -> list[Span]:
    """The best pieces that fit, the last one cut; best first."""
    rooms = [_Room(record, frame, limit) for limit in window.limits]
    chosen: list[Span] = []
    for piece in ranked:
        part = _shortest([room.cut(piece, keeps_end) for room in rooms])
        if part is not None:
            chosen.append(part)
            for room in rooms:
                room.take(part)
        if part != piece:
            break
    rounds = 0
    while chosen:
        over = [room.over(merged(chosen)) for room in rooms]
        if max(over) <= 0:
            return chosen
        # The worst piece pays for tokens that the joints between pieces cost.
        worst = chosen.pop()
        paid = [
            room.without(worst, max(n, 1) << max(0, rounds - 8), keeps_end) for room, n in zip(rooms, over, strict=True) if n > 0
        ]
        if (rest := _shortest(paid)) is not None:
            chosen.append(rest)
        rounds += 1
    room = rooms[0]
    raise Overflow(room.limit.room - room.budget, room.limit, room.tokens.total)


class _Room:
    """What one limit has left while pieces are chosen."""

    def __init__(self, record: Record, frame: Frame, limit: Limit) -> None:
        self.tokens: RecordTokens = record_tokens(record.text, limit.tokenizer)
        self.frame = frame
        self.limit = limit
        self.budget = self.left = room_for_record(self.tokens, frame, limit)

    def cut(self, piece: Span, keeps_end: bool) -> Span | None:
        """The piece, or as much of it as there is room for, or None."""
        over = self.tokens.count_between(*piece) + 1 - self.left
        return piece if over <= 0 else self.without(piece, over, keeps_end)

    def without(self, piece: Span, dropped: int, keeps_end: bool) -> Span | None:
        """The piece without so many of its tokens, or None where that is all."""
        run = self.tokens.full()
        first = 0 if piece.start <= 0 else run.at(piece.start)
        last = run.at(piece.end) if piece.end < len(self.tokens.text) else len(run.ids)
        if keeps_end:
            start = run.start_of(run.boundary(first + dropped), piece.end) if first + dropped < last else piece.end
            return Span(start, piece.end) if start < piece.end else None
        index = run.boundary_before(max(first, last - dropped), first)
        return Span(piece.start, run.starts[index]) if index > first else None

    def take(self, piece: Span) -> None:
        self.left -= self.tokens.count_between(*piece) + 1

    def over(self, spans: Sequence[Span]) -> int:
        """Tokens by which the final prompt is too long."""
        return count_spliced(self.tokens, self.frame.before, spans, self.frame.after) - self.limit.room


def _shortest(cuts: Sequence[Span | None]) -> Span | None:
    kept = [cut for cut in cuts if cut is not None]
    return min(kept, key=lambda span: span.end - span.start) if len(kept) == len(cuts) else None


class _Index(NamedTuple):
    text: str
    pieces: list[Span]
    okapi: Okapi


_indexes: OrderedDict[tuple[int, int, str], _Index] = OrderedDict()
_lock = Lock()


def _index(record: Record, tokens: RecordTokens) -> _Index:
    """The record's pieces, indexed once for all questions on it."""
    from ehrbench.bm25 import Okapi, tokenize

    text = record.text
    key = (hash(text), len(record.entries), tokens.tokenizer.fingerprint)
    with _lock:
        found = _indexes.get(key)
        if found is None or found.text != text:
            pieces = entry_pieces(record) if record.entries else token_pieces(tokens, PIECE_TOKENS)
            found = _indexes[key] = _Index(text, pieces, Okapi([tokenize(text[start:end]) for start, end in pieces]))
            if len(_indexes) > _INDEXED_RECORDS:
                _indexes.popitem(last=False)
        _indexes.move_to_end(key)
        return found
