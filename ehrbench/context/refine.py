"""Multi-step refinement: the record in consecutive chunks, oldest first (MedAlign, section 2.5 of the protocol page).

Chunks do not overlap and concatenate to the record. A chunk has at most min(chunk_tokens, window - everything else) tokens, where
everything else is the longer of the first and the later prompt (with room for the previous answer) and the reserve. A record that
fits one chunk is asked about with the plain prompt.
"""

from __future__ import annotations

from bisect import bisect_right

from ehrbench.context.fit import first_tokens, fits_whole, shrink, whole
from ehrbench.context.fitted import Fitted, Span, counted, entry_boundaries, fitted
from ehrbench.context.tokens import RecordTokens
from ehrbench.context.window import ANSWER_SLACK, Frame, Limit, Overflow, Window
from ehrbench.records.record import Record
from ehrbench.tasks.schema import RecordSpec


def refine(record: Record, frame: Frame, later: Frame, window: Window, spec: RecordSpec) -> Fitted:
    """Split the record into the chunks of a refinement chain.

    Args:
        record: what to split.
        frame: the first prompt around its chunk.
        later: a later prompt around its chunk, with a placeholder of a token or so for the previous answer.
        window: what the prompts have to fit.
        spec: ``chunk_tokens`` (in the reported tokens) and ``split``.

    Raises:
        Overflow: the prompts leave no room for any chunk.
    """
    tokens = counted(record, window)
    broken = fits_whole(record, frame, window)
    one_chunk = window.counter is None or tokens.total <= spec.chunk_tokens
    if broken is None and (one_chunk or not record.text):
        return whole("refine", record, window)
    allowance = window.answer_tokens + ANSWER_SLACK
    later_window = Window(
        tuple(Limit(limit.tokens, limit.reserve + allowance, limit.tokenizer) for limit in window.limits), window.counter
    )
    sizes: dict[str, int] = {}
    for limit in window.limits:
        size = _chunk_size(limit, frame, later, allowance, tokens)
        sizes[limit.tokenizer.fingerprint] = min(size, sizes.get(limit.tokenizer.fingerprint, size))
    boundaries = entry_boundaries(record) if spec.split == "entries" else []

    def cut(tokens: RecordTokens, frame: Frame, span: Span, limit: Limit) -> Span:
        return first_tokens(tokens, frame, span, limit, sizes[limit.tokenizer.fingerprint])

    spans: list[Span] = []
    start, end = 0, len(record.text)
    while start < end:
        span = _first(tokens, start, spec.chunk_tokens)
        span = shrink(record, later if spans else frame, span, later_window if spans else window, cut)
        if span.end < end and boundaries:
            at = bisect_right(boundaries, span.end) - 1
            if at >= 0 and boundaries[at] > start:
                span = Span(start, boundaries[at])
        spans.append(span)
        start = span.end
    return fitted("refine", record, spans, window)


def _chunk_size(limit: Limit, frame: Frame, later: Frame, allowance: int, tokens: RecordTokens) -> int:
    first_prompt = limit.tokenizer.count(frame.before + frame.after)
    later_prompt = limit.tokenizer.count(later.before + later.after) + allowance
    everything_else = max(first_prompt, later_prompt)
    if everything_else >= limit.room:
        raise Overflow(everything_else, limit, tokens.total)
    return limit.room - everything_else


def _first(tokens: RecordTokens, start: int, size: int) -> Span:
    """The next ``size`` tokens of the record, or one character that has more."""
    run = tokens.full()
    first = 0 if start <= 0 else run.at(start)
    index = run.boundary_before(first + size, first)
    if index == first:
        index = run.boundary(first + 1)
    return Span(start, run.start_of(index, len(tokens.text)))
