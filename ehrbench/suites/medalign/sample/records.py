"""Visits written as XML: LUMIA as in the release, or the sample dialect of the paper's time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ehrbench.suites.medalign.sample.script import Patient
from ehrbench.suites.medalign.sample.timeline import Timeline
from ehrbench.suites.medalign.sample.visit import Event, Visit

MARK = "<!-- SYNTHETIC RECORD: the person and every event are invented (ehrbench sample, not MedAlign data) -->"
_TAGS = {"condition": "condition_occurrence", "procedure": "procedure_occurrence", "visit": "visit_detail"}


def _age(patient: Patient, when: datetime) -> tuple[int, int]:
    days = (when.date() - patient.born).days
    years = when.year - patient.born.year - ((when.month, when.day) < (patient.born.month, patient.born.day))
    return days, years


def _lumia_event(event: Event, note_id: str) -> str:
    attributes = f"type={quoteattr(event.type)} code={quoteattr(event.code)} name={quoteattr(event.name)}"
    if event.unit:
        attributes += f" unit={quoteattr(event.unit)}"
    if event.type == "note":
        attributes += f' note_id="{note_id}"'
    return f"<event {attributes}>{escape(event.text)}</event>" if event.text else f"<event {attributes}/>"


def _lumia_visit(patient: Patient, visit: Visit, number: int, facility: str) -> Iterator[str]:
    days, years = _age(patient, visit.start)
    name, specialty = visit.provider
    site = quoteattr(f"{facility} (SYNTHETIC)")
    yield "<encounter>\n<person>"
    yield f"<birthdate>{patient.born}</birthdate><age><days>{days}</days><years>{years}</years></age>"
    yield f"<demographics><ethnicity>NULL</ethnicity><gender>{patient.sex}</gender><race>NULL</race></demographics>"
    yield "<payerplan>NULL</payerplan>"
    yield "</person>"
    yield f'<caresites><caresite care_site_id="{900 + len(specialty)}" care_site_name={site}/></caresites>'
    provider = f"provider_id={quoteattr(name)} speciality={quoteattr(specialty)} care_site_name={site}"
    yield f"<providers><provider {provider}/></providers>"
    yield "<events>"
    for time, events in groupby(visit.events, key=lambda event: event.time):
        yield f'<entry timestamp="{time:%Y-%m-%d %H:%M}">'
        for position, event in enumerate(events):
            yield _lumia_event(event, f"{patient.id}{number:04}{time:%d%H%M}{position}")
        yield "</entry>"
    yield "</events>\n</encounter>"


def _lumia(patient: Patient, timeline: Timeline, facility: str) -> Iterator[str]:
    yield f'<eventstream person_id="{patient.id}">'
    for number, visit in enumerate(timeline.visits):
        yield from _lumia_visit(patient, visit, number, facility)
    yield "</eventstream>"


def _day_start(time: datetime, number: int) -> str:
    """Both date styles of the public sample, one and two digits for the hour."""
    if number % 2:
        return f"{time:%m/%d/%Y} {time:%I:%M %p}"
    return f"{time:%m/%d/%Y %H:%M}"


def _sample_dialect(patient: Patient, timeline: Timeline) -> Iterator[str]:
    yield "<record>"
    for number, visit in enumerate(timeline.visits):
        yield f'    <visit type={quoteattr(visit.name)} start="{_day_start(visit.start, number)}">'
        for _, of_day in groupby(visit.events, key=lambda event: event.time.date()):
            events = list(of_day)
            days, years = _age(patient, events[0].time)
            yield f'        <day start="{_day_start(events[0].time, number)}">'
            yield f"            <person>\n                Birth:{patient.born.month}/{patient.born.day}/{patient.born.year}"
            yield f"                Gender: {patient.sex}\n                Age in Days: {days}"
            yield f"                Age in Years: {years}\n            </person>"
            for (time, kind), alike in groupby(events, key=lambda event: (event.time, event.type)):
                start = _day_start(time, number)
                if kind == "note":
                    for event in alike:
                        yield f'            <note type={quoteattr(event.name.lower())} start="{start}">'
                        yield f"{escape(event.text)}\n            </note>"
                    continue
                tag = _TAGS.get(kind, kind)
                yield f'            <{tag} start="{start}">'
                for event in alike:
                    value = "" if kind in ("visit", "drug_exposure") else " ".join(filter(None, (event.text, event.unit)))
                    yield f"                <code>[{event.code}] {escape(event.name)} {escape(value)}".rstrip() + "</code>"
                yield f"            </{tag}>"
            yield "        </day>"
        yield "    </visit>"
    yield "</record>"


def write_record(path: Path, patient: Patient, timeline: Timeline, facility: str) -> None:
    """Write one patient's record."""
    lines = _sample_dialect(patient, timeline) if patient.dialect == "sample" else _lumia(patient, timeline, facility)
    path.write_text("\n".join([MARK, *lines, MARK]) + "\n", encoding="utf-8", newline="\n")
