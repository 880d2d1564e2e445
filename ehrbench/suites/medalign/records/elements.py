"""The elements of MedAlign's XML, in one vocabulary for both dialects."""

from __future__ import annotations

from ehrbench.records.safe_xml import Attributes

CONTAINERS = frozenset({"record", "visit", "day", "eventstream", "encounter", "events"})
_KINDS = {"condition_occurrence": "condition", "procedure_occurrence": "procedure"}


def kind_of(tag: str, attributes: Attributes) -> str:
    """What an element is: ``note``, ``measurement`` and so on."""
    kind = (attributes.get("type") or attributes.get("table") or tag) if tag == "event" else tag
    kind = kind.strip().lower()
    return _KINDS.get(kind, kind)


def time_of(attributes: Attributes) -> str | None:
    """The attribute that dates an element, as written."""
    return attributes.get("timestamp") or attributes.get("start")
