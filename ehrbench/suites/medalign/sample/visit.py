"""A visit of a synthetic patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

_MARKUP = 72
"""Characters of markup round one event."""
_VISIT_NAMES = {
    "office": ("OMOP/9202", "Outpatient Visit"),
    "ed": ("OMOP/9203", "Emergency Room Visit"),
    "inpatient": ("OMOP/9201", "Inpatient Visit"),
    "phone": ("OMOP/5083", "Telehealth"),
    "message": ("OMOP/5083", "Telehealth"),
    "lab": ("OMOP/32036", "Laboratory Visit"),
    "imaging": ("OMOP/9202", "Outpatient Visit"),
}


class Event(NamedTuple):
    """One event of a visit."""

    time: datetime
    type: str
    code: str
    name: str
    unit: str
    text: str


@dataclass
class Visit:
    """One visit and what happened in it, in order of time."""

    kind: str
    start: datetime
    provider: tuple[str, str]
    """Name and specialty."""
    events: list[Event] = field(default_factory=list)

    @property
    def code(self) -> str:
        """What kind of visit it is, in OMOP's code."""
        return _VISIT_NAMES[self.kind][0]

    @property
    def name(self) -> str:
        """What kind of visit it is, in OMOP's words."""
        return _VISIT_NAMES[self.kind][1]

    def size(self) -> int:
        """Characters of its rendering, roughly."""
        return 620 + sum(_MARKUP + len(event.name) + len(event.text) + len(event.code) for event in self.events)
