"""The merged event list of an admission, and its rendering as lines of text (protocol page, section 2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from ehrbench.mimic.events import EVENT_TABLES, LISTED_TYPES, STATIC_TYPES, Profile
from ehrbench.records import Entry, Record


@dataclass(frozen=True)
class EventList:
    """What a model is shown of one admission."""

    hadm_id: int
    admitted: datetime
    at_us: Sequence[int]
    kinds: Sequence[str]
    texts: Sequence[str]


def merge_events(events: Mapping[str, pl.DataFrame], profile: Profile) -> pl.DataFrame:
    """Merge sorted events of several types into the lists of their admissions.

    The static lines come first, whatever the times of others; events of one time stand in the order of ``EVENT_TABLES``, those of
    one type in their own.

    Args:
        events: by type, as ``sort_events`` leaves them.
        profile: which types a list shows.

    Returns:
        ``hadm_id, at_us, event_type, text`` in the order of the lists.
    """
    listed = [event_type for event_type in EVENT_TABLES if event_type in (*STATIC_TYPES, *LISTED_TYPES[profile])]
    frames = [
        events[event_type].select(
            "hadm_id",
            "at_us",
            pl.lit(event_type).alias("event_type"),
            "text",
            pl.lit(event_type not in STATIC_TYPES).alias("timed"),
        )
        for event_type in listed
        if event_type in events
    ]
    merged = pl.concat(frames).filter(pl.col("text").is_not_null())
    return merged.sort("hadm_id", "timed", "at_us", maintain_order=True).drop("timed")  # ties stay in the order of the frames


def render(events: EventList) -> Record:
    """Render an event list, one line per event: ``{hours:.2f} hour, {event type}, {text}``.

    Entries are the lines, dated by the events' own times, so that a record is cut only between events.
    """
    pieces: list[str] = []
    entries: list[Entry] = []
    start = 0
    for at, kind, text in zip(events.at_us, events.kinds, events.texts, strict=True):
        line = f"{at / 1_000_000 / 3600:.2f} hour, {kind}, {text}"
        entries.append(Entry(start, start + len(line), events.admitted + timedelta(microseconds=at), kind))
        pieces.append(line)
        start += len(line) + 1
    return Record(str(events.hadm_id), "\n".join(pieces), entries)


def event_lists(merged: pl.DataFrame, admitted: Mapping[int, datetime]) -> Iterable[EventList]:
    """The lists of ``merge_events``, one per admission, by ``hadm_id``."""
    for (hadm_id,), rows in merged.group_by("hadm_id", maintain_order=True):
        number = int(str(hadm_id))
        yield EventList(number, admitted[number], *(rows[c].to_list() for c in ("at_us", "event_type", "text")))
