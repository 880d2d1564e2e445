"""Parts of a record as offsets: their text is cut out when it is asked for, so that many chains in flight hold one copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

from ehrbench.context.fitted import Fitted, Part
from ehrbench.context.tokens import RecordTokens, record_tokens
from ehrbench.context.window import Window
from ehrbench.models.protocol import Tokenizer
from ehrbench.models.words import WordTokenizer
from ehrbench.records.record import Record


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
