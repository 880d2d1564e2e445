"""What became of a record that had to fit a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, overload

from ehrbench.context.tokens import RecordTokens, record_tokens
from ehrbench.context.window import Window
from ehrbench.models.protocol import Tokenizer
from ehrbench.models.words import WordTokenizer
from ehrbench.records.record import Record


class Part(NamedTuple):
    """One piece of the record that one prompt shows."""

    text: str
    start: int
    """Offset in the record's text; a retrieved selection has the offset of its first piece."""
    tokens: int


@dataclass(frozen=True)
class Fitted:
    """The pieces of one record, in the order in which a model is shown them.

    One part: a whole, truncated or retrieved record. Several: the chunks of a refinement chain, which concatenate to the record.
    """

    policy: str
    parts: Sequence[Part]
    total_tokens: int
    """Tokens of the whole record."""
    seen_tokens: int
    """Tokens that the model sees over all parts."""
    first_time: datetime | None
    """When the first thing that the model sees happened."""
    tokenizer: str
    """Whose tokens these are."""
    shown: Sequence[Sequence[tuple[int, int]]] = ()
    """For each part, start and end of the pieces of the record's text that it holds."""

    @property
    def cut(self) -> bool:
        """Whether something of the record is not seen."""
        return self.seen_tokens < self.total_tokens


class Span(NamedTuple):
    """A piece of a text."""

    start: int
    end: int
    """Offset after the last character."""


class SpanParts(Sequence[Part]):
    """The parts of a record, made on demand."""

    def __init__(self, text: str, spans: Sequence[Span], tokens: Sequence[int]) -> None:
        self._text = text
        self._spans = spans
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        if isinstance(index, slice):
            return SpanParts(self._text, self._spans[index], self._tokens[index])
        start, end = self._spans[index]
        return Part(self._text[start:end], start, self._tokens[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self._text, tuple(self._spans)))


def counted(record: Record, window: Window) -> RecordTokens:
    """The record in the tokens that are reported: the budget's, else the model's, else words."""
    return record_tokens(record.text, counter(window))


def counter(window: Window) -> Tokenizer:
    """Whose tokens are reported."""
    return window.counter or WordTokenizer()


def fitted(policy: str, record: Record, spans: Sequence[Span], window: Window) -> Fitted:
    """The outcome for consecutive pieces of the record, without gap or overlap."""
    tokens = counted(record, window)
    counts = [tokens.count_between(span.start, span.end) for span in spans]
    seen = tokens.whole_between(spans[0].start, spans[-1].end) if spans else 0
    return Fitted(
        policy=policy,
        parts=SpanParts(record.text, spans, counts),
        total_tokens=tokens.total,
        seen_tokens=seen,
        first_time=record.first_time(spans[0].start) if spans else None,
        tokenizer=tokens.tokenizer.name,
        shown=[[span] for span in spans],
    )


def entry_boundaries(record: Record) -> list[int]:
    """Offsets between entries, ascending, neither 0 nor the end among them.

    Text between two entries is parted after its first newline, so that a closing tag stays with the entry before and an opening
    one with the entry after; without a newline it stays with the entry before.
    """
    text, boundaries = record.text, []
    if record.entries and text[: record.entries[0].start].strip():
        boundaries.append(record.entries[0].start)
    for entry, following in pairwise(record.entries):
        newline = text.find("\n", entry.end, following.start)
        boundaries.append(following.start if newline < 0 else newline + 1)
    return sorted({offset for offset in boundaries if 0 < offset < len(text)})


def entry_pieces(record: Record) -> list[Span]:
    """The record parted between all its entries; the pieces concatenate to it."""
    return _pieces(entry_boundaries(record), len(record.text))


def token_pieces(tokens: RecordTokens, size: int) -> list[Span]:
    """The text parted into pieces of ``size`` tokens (the last may be shorter); the pieces concatenate to it."""
    run = tokens.full()
    offsets = {run.start_of(run.boundary(index), len(tokens.text)) for index in range(size, len(run.ids), size)}
    return _pieces(sorted(offset for offset in offsets if 0 < offset < len(tokens.text)), len(tokens.text))


def _pieces(boundaries: list[int], end: int) -> list[Span]:
    return [Span(start, stop) for start, stop in pairwise([0, *boundaries, end])] if end else []
