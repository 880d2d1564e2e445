"""Decision-making samples: what comes next, asked of every event that has labels and a context (protocol page, 1.2 and 6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.lookups import LISTS
from ehrbench.suites.ehr_bench.build.merge import Event, Patient
from ehrbench.suites.ehr_bench.build.profile import BuildProfile
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.timeline import DAY, Timeline

NEXT_EVENT = "next_event"
_NAMELESS = frozenset({"nan", "none"})


def decision_samples(
    patient: Patient,
    position: int,
    timeline: Timeline,
    headers: tuple[int | None, int | None],
    profile: BuildProfile,
) -> Iterator[Sample]:
    """The samples of one target event, the table's own tasks first and ``next_event`` last.

    Args:
        patient: whose event it is.
        position: the event's; positive.
        timeline: the patient's.
        headers: positions of the admission and the discharge note that a context shows.
        profile: in the clean one the window is cut to rows of the last 24 hours.
    """
    event = patient.events[position]
    source = SOURCES[event.table]
    if not source.title:
        return
    start = timeline.before[position - 1] if event.table == "diagnoses_icd" else event.start
    if start is None:
        return
    begin = timeline.first_after(event.hadm, start - DAY)
    if begin is None or begin >= position:
        return
    admission = None if profile.clean and headers[0] == position else headers[0]
    opens = closes = None
    if profile.clean:
        opens = start - DAY
        closes = max(start, patient.events[position - 1].end or start) if event.table == "diagnoses_icd" else start
    answers: list[tuple[str, str | tuple[str, ...]]] = [
        (task, labels_of(patient, event, column)) for task, column in source.tasks
    ]
    for task, target in (*answers, (NEXT_EVENT, event.table)):
        if target:
            yield Sample(
                patient.subject, event.hadm, task, event.table, begin, position, target, admission, headers[1], opens, closes
            )


def labels_of(patient: Patient, event: Event, column: str) -> tuple[str, ...]:
    """The distinct names in a column over all rows of an event, sorted."""
    values: list[Any] = patient.values(event, column)
    if column in LISTS:
        values = [name for value in values if value for name in value]
    found = {_name(value) for value in values if value is not None}
    found.discard("")
    return tuple(sorted(found))


@lru_cache(maxsize=65_536)
def _name(value: str) -> str:
    """A name without blanks around it; empty where it names nothing."""
    name = value.strip()
    return "" if name.lower() in _NAMELESS else name
