"""The one way in: a record, the prompt around it, the windows, a policy; out come the parts that the model is shown."""

from __future__ import annotations

from ehrbench.context.fitted import Fitted
from ehrbench.context.full import full, whole
from ehrbench.context.refine import refine
from ehrbench.context.retrieve import retrieve
from ehrbench.context.truncate import truncate
from ehrbench.context.window import Frame, Window
from ehrbench.records.record import Record
from ehrbench.tasks.schema import RecordSpec


def fit(record: Record, frame: Frame, later: Frame | None, window: Window, spec: RecordSpec, question: str) -> Fitted:
    """Make a record fit by the policy ``spec.context``.

    Args:
        record: the whole record.
        frame: the exact text before and after the record in the first (or only) prompt.
        later: the same of a later refinement prompt, a token or so standing for the previous answer; None unless the policy
            is ``refine``.
        window: every limit that a prompt and its reserve have to keep; without limits the record is shown whole (and refined in
            chunks of ``spec.chunk_tokens``, where there is a tokenizer).
        spec: policy, ``keep``, ``chunk_tokens``, ``split``.
        question: what ``retrieve`` looks for.

    Returns:
        One part, or the chunks of a chain. Token counts are the budget tokenizer's, else the model's, else words.

    Raises:
        Overflow: the prompt cannot fit with any of the record (``full``: with all of it).
    """
    if spec.context == "refine":
        return refine(record, frame, frame if later is None else later, window, spec)
    if not window.limits:
        return whole(spec.context, record, window)
    if spec.context == "retrieve":
        return retrieve(record, frame, window, question)
    return truncate(record, frame, window, spec) if spec.context == "truncate" else full(record, frame, window)
