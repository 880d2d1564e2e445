"""The values that a prompt template may use for an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ehrbench.readers.item import Item

BASE_SLOTS = ("question", "choices", "examples")
"""Slots of every task; ``examples`` are mappings with ``input`` and ``output``. A task's further ones are its ``data.slots``."""


def prompt_slots(item: Item, examples: Sequence[Mapping[str, str]] = ()) -> dict[str, object]:
    """An item's slots by name; a reader's own ones cannot stand in for those of every task."""
    return {**item.slots, "question": item.question, "choices": list(item.choices), "examples": list(examples)}
