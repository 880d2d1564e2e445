"""Truncation: the record keeps one end, by default the newest (MedAlign, section 2.3 of the protocol page).

budget = window - reserve - tokens of everything else; the cut falls on the character where the first kept token begins; the
final prompt is counted again, and while it is too long the overflow is dropped from the same side. The instruction and the
answer cue are never cut.
"""

from __future__ import annotations

from ehrbench.context.cut import keep_end, keep_start, shrink
from ehrbench.context.fitted import Fitted
from ehrbench.context.spans import Span, counted, fitted
from ehrbench.context.window import Frame, Window
from ehrbench.records.record import Record
from ehrbench.tasks.schema import RecordSpec


def truncate(record: Record, frame: Frame, window: Window, spec: RecordSpec) -> Fitted:
    """Keep the end (or start) of the record that every limit has room for.

    Raises:
        Overflow: instruction and answer cue alone do not fit, or leave no room for any of the record.
    """
    counted(record, window).total  # noqa: B018 - where it is not known yet, one tokenisation gives it and every tail
    cut = keep_end if spec.keep == "end" else keep_start
    span = shrink(record, frame, Span(0, len(record.text)), window, cut)
    return fitted("truncate", record, [span], window)
