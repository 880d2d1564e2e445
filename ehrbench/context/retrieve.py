"""Retrieval: the pieces of a record that BM25 finds closest to the question, shown in chronological order.

Pieces are the record's dated entries, or stretches of 256 tokens where it has none. The best are taken until the window is full
and the last one is cut to fit, so that no better piece is lost to a worse one. Equal scores (a question without a word of the
record) put the newest first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from ehrbench.context.cut import fits_whole, room_for_record
from ehrbench.context.fitted import Fitted, Part
from ehrbench.context.full import whole
from ehrbench.context.pieces import entry_pieces, token_pieces
from ehrbench.context.spans import Span, counted
from ehrbench.context.spliced import count_spliced, joined
from ehrbench.context.tokens import RecordTokens, record_tokens
from ehrbench.context.window import Frame, Limit, Overflow, Window
from ehrbench.records.record import Record

if TYPE_CHECKING:
    from ehrbench.bm25 import Okapi

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
