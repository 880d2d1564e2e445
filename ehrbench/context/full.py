"""The whole record or nothing."""

from __future__ import annotations

from ehrbench.context.cut import fits_whole
from ehrbench.context.fitted import Fitted
from ehrbench.context.spans import Span, fitted
from ehrbench.context.tokens import record_tokens
from ehrbench.context.window import Frame, Overflow, Window
from ehrbench.records.record import Record


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
