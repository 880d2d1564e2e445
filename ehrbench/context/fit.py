"""Truncation: the record keeps one end, by default the newest (MedAlign, section 2.3 of the protocol page).

budget = window - reserve - tokens of everything else; the cut falls on the character where the first kept token begins; the
final prompt is counted again, and while it is too long the overflow is dropped from the same side. The instruction and the
answer cue are never cut.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from ehrbench.context.fitted import Fitted, Span, counted, entry_boundaries, fitted
from ehrbench.context.tokens import SURPLUS_TOKENS, RecordTokens, record_tokens
from ehrbench.context.window import Frame, Limit, Overflow, Window
from ehrbench.records.record import Record
from ehrbench.tasks.schema import RecordSpec

_PATIENT_ROUNDS = 8
"""After so many cuts by the overflow alone each further one is doubled: the loop ends however odd the tokenizer is."""

Cut = Callable[[RecordTokens, Frame, Span, Limit], Span]


def shrink(record: Record, frame: Frame, span: Span, window: Window, cut: Cut) -> Span:
    """Cut until all limits hold at once; a shorter text may have more tokens, so each is asked again after the others."""
    while True:
        before = span
        for limit in window.limits:
            span = cut(record_tokens(record.text, limit.tokenizer), frame, span, limit)
        if span == before or len(window.limits) < 2:
            return span


def fits_whole(record: Record, frame: Frame, window: Window) -> Limit | None:
    """The first limit that the whole record breaks; None where it fits."""
    for limit in window.limits:
        tokens = record_tokens(record.text, limit.tokenizer)
        if (
            tokens.total > limit.room + SURPLUS_TOKENS
            or tokens.count(frame.before, 0, len(record.text), frame.after) > limit.room
        ):
            return limit
    return None


def room_for_record(tokens: RecordTokens, frame: Frame, limit: Limit) -> int:
    """Tokens that a limit leaves to the record, by the count of the prompt without it.

    Raises:
        Overflow: none, and the record is not empty; or the prompt without it is too long.
    """
    prompt_tokens = limit.tokenizer.count(frame.before + frame.after)
    room = limit.room - prompt_tokens
    if room < 0 or (room == 0 and tokens.text):
        raise Overflow(prompt_tokens, limit, tokens.total)
    return room


def keep_end(tokens: RecordTokens, frame: Frame, span: Span, limit: Limit) -> Span:
    """The end of ``span`` that a limit has room for; all of it where the exact prompt fits.

    Raises:
        Overflow: there is no room for any of it.
    """
    budget = room_for_record(tokens, frame, limit)
    run = tokens.tail(budget)
    first, last = run.at(span.start), len(run.ids)
    held = span.start >= run.offset
    index = first if held and last - first <= budget + SURPLUS_TOKENS else max(first, last - budget)
    for round_ in range(last + 1):
        start = span.start if held and index <= first else run.start_of(run.boundary(index), span.end)
        if start >= span.end > span.start:
            break
        over = tokens.count(frame.before, start, span.end, frame.after) - limit.room
        if over <= 0:
            return Span(start, span.end)
        index = max(index + max(over, 1 << max(0, round_ - _PATIENT_ROUNDS)), last - budget)
    raise Overflow(limit.room - budget, limit, tokens.total)


def keep_start(tokens: RecordTokens, frame: Frame, span: Span, limit: Limit) -> Span:
    """The beginning of ``span`` that a limit has room for; all of it where the exact prompt fits.

    Raises:
        Overflow: there is no room for any of it.
    """
    budget = room_for_record(tokens, frame, limit)
    n_tokens = tokens.count_between(span.start, span.end)
    if n_tokens <= budget + SURPLUS_TOKENS:
        over = tokens.count(frame.before, span.start, span.end, frame.after) - limit.room
        if over <= 0:
            return span
        budget = min(budget, max(1, n_tokens - over))
    return first_tokens(tokens, frame, span, limit, budget)


def first_tokens(tokens: RecordTokens, frame: Frame, span: Span, limit: Limit, budget: int) -> Span:
    """The beginning of ``span``, of at most ``budget`` tokens, that fits between the frame's two sides.

    Raises:
        Overflow: not one character fits.
    """
    run = tokens.full()
    first = 0 if span.start <= 0 else run.at(span.start)
    last = run.at(span.end) if span.end < len(tokens.text) else len(run.ids)
    index = first + budget
    for round_ in range(len(run.ids) + 2):
        index = run.boundary_before(index, first)
        end = span.end if index >= last else max(span.start, run.starts[index] if index > first else 0)
        if end <= span.start < span.end:
            break
        over = tokens.count(frame.before, span.start, end, frame.after) - limit.room
        if over <= 0:
            return Span(span.start, end)
        index = max(first, min(index, last) - max(over, 1 << max(0, round_ - _PATIENT_ROUNDS)))
    raise Overflow(limit.tokenizer.count(frame.before + frame.after), limit, tokens.total)


def full(record: Record, frame: Frame, window: Window) -> Fitted:
    """Show the whole record.

    Raises:
        Overflow: it is too long for a limit.
    """
    broken = fits_whole(record, frame, window)
    if broken is not None:
        total = record_tokens(record.text, broken.tokenizer).total
        raise Overflow(total + broken.tokenizer.count(frame.before + frame.after), broken, total)
    return whole("full", record, window)


def whole(policy: str, record: Record, window: Window) -> Fitted:
    """The outcome for a record that is shown from its first to its last character."""
    return fitted(policy, record, [Span(0, len(record.text))], window)


def truncate(record: Record, frame: Frame, window: Window, spec: RecordSpec) -> Fitted:
    """Keep the end (or start) of the record that every limit has room for.

    Raises:
        Overflow: instruction and answer cue alone do not fit, or leave no room for any of the record.
    """
    counted(record, window).total  # noqa: B018 - where it is not known yet, one tokenisation gives it and every tail
    cut = keep_end if spec.keep == "end" else keep_start
    span = shrink(record, frame, Span(0, len(record.text)), window, cut)
    if spec.cut == "entries":
        span = between_entries(record, span)
    return fitted("truncate", record, [span], window)


def between_entries(record: Record, span: Span) -> Span:
    """The whole entries of ``span``; all of it where it holds none."""
    boundaries = [0, *entry_boundaries(record), len(record.text)]
    start = boundaries[bisect_left(boundaries, span.start)]
    end = boundaries[bisect_right(boundaries, span.end) - 1]
    return Span(start, end) if start < end else span
