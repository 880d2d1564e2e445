"""Where a record may be parted: between its dated entries, or every so many tokens where it has none."""

from __future__ import annotations

from itertools import pairwise

from ehrbench.context.spans import Span
from ehrbench.context.tokens import RecordTokens
from ehrbench.records.record import Record


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
