"""A record: the text a model is shown, and where its dated entries begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Entry(NamedTuple):
    """One dated piece of a record, as a span of its text."""

    start: int
    """Offset of the first character."""
    end: int
    """Offset after the last character; entries do not overlap and stand in document order."""
    time: datetime | None
    """When it happened (chart time, without a zone), or None when the release does not say."""
    kind: str
    """What it is: ``note``, ``measurement``, ``labevents`` …"""


@dataclass(frozen=True)
class Record:
    """One patient's record in one rendering."""

    id: str
    """The id that ``Item.record_id`` names."""
    text: str
    """The rendering, oldest first."""
    entries: Sequence[Entry]
    """In document order. Text between entries (markup) belongs to none."""
    header: str = ""
    """Who the patient is, with what separates it from the rest: shown before every part of the text and never cut."""

    def first_time(self, offset: int = 0) -> datetime | None:
        """The time of the first dated entry that begins at or after ``offset``, else of the one that covers it."""
        covering = None
        for entry in self.entries:
            if entry.time is None or entry.end <= offset:
                continue
            if entry.start >= offset:
                return entry.time
            covering = covering or entry.time
        return covering

    def newest_time(self) -> datetime | None:
        """The record's "now": its newest timestamp (MedAlign, section 2.6 of the protocol page)."""
        return max((entry.time for entry in self.entries if entry.time), default=None)
