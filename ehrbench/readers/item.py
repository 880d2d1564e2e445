"""An item: one question of a task, with its gold answer and the place of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One question about one record (or about none)."""

    id: str
    """Unique within the task; safe to print (never a patient's text)."""
    question: str
    """The instruction or question, as the release has it."""
    record_id: str | None = None
    """Names the record in ``Dataset.load_record``; None for tasks without records."""
    references: tuple[str, ...] = ()
    """Gold answers, alternatives of one another; the first is the gold of the ``paper`` protocol."""
    labels: tuple[str, ...] = ()
    """The gold set, for tasks whose answer is a set of labels."""
    choices: tuple[str, ...] = ()
    """The closed set an answer is taken from, in the order shown."""
    group: str | None = None
    """The unit of resampling: usually the patient. None: the item stands alone."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    """Further values a prompt template may use, by name."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What scorers and strata need beside the above (event type, template, language); plain JSON values."""


def gold_class(item: Item) -> str:
    """An item's gold as one class: its labels (the letters of a multiple-choice question), else its first reference verbatim."""
    if item.labels:
        return ", ".join(item.labels)
    return item.references[0] if item.references else ""
