"""Risk-prediction samples: yes or no about a stay, from its first hours (protocol page, sections 1.3 and 6.5)."""

from __future__ import annotations

from collections.abc import Iterator

from ehrbench.suites.ehr_bench.build.merge import Event, Patient
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.timeline import DAY, HOUR, Timeline

ANCHORS = frozenset({"discharge", "edstays", "admissions", "icustays"})
"""Tables whose events have samples."""
ICU_DEATH_DAYS = (1, 2, 3, 7, 14)
ICU_STAY_DAYS = (7, 14)
READMISSION_DAYS = (30, 60)
_Answer = tuple[str, bool]


def risk_samples(patient: Patient, position: int, timeline: Timeline, headers: tuple[int | None, int | None]) -> Iterator[Sample]:
    """The samples that an event anchors, in the order of the tasks."""
    event = patient.events[position]
    if event.table == "discharge":
        found = _readmissions(patient, position, timeline)
    elif event.table in ("edstays", "admissions", "icustays") and event.start is not None:
        found = _STAYS[event.table](patient, position, timeline)
    else:
        return
    for begin, end, (task, yes) in found:
        target = "yes" if yes else "no"
        yield Sample(patient.subject, event.hadm, task, event.table, begin, end, target, headers[0], headers[1])


def _emergency(patient: Patient, position: int, timeline: Timeline) -> Iterator[tuple[int, int, _Answer]]:
    stay = patient.events[position]
    out = patient.fact(stay, "outtime")
    if out is None:
        return
    last = timeline.last_before(out)
    if last is None:
        return
    hadm = stay.hadm
    admitted = hadm is not None and any(patient.events[i].hadm == hadm for i in timeline.later("admissions", position))
    died = hadm is not None and _seen_at_death(patient, timeline.last_of(hadm))
    icu = timeline.next_icu(hadm, position)
    moved = icu is not None and icu.start is not None and icu.start - out < 12 * HOUR
    again = timeline.next("edstays", position)
    back = again is not None and again.start is not None and again.start - out < 72 * HOUR
    answers = (
        ("ED_Hospitalization", admitted),
        ("ED_Inpatient_Mortality", died),
        ("ED_ICU_Tranfer_12hour", moved),
        ("ED_Reattendance_3day", back),
        ("ED_Critical_Outcomes", died or moved),
    )
    for answer in answers:
        yield position, last + 1, answer


def _seen_at_death(patient: Patient, last: int | None) -> bool:
    died, start = death_date(patient), patient.events[last].start if last is not None else None
    return died is not None and start is not None and start >= died


def death_date(patient: Patient) -> int | None:
    """``dod`` at midnight."""
    found: int | None = patient.fact(patient.events[0], "dod")
    return found


def _admission(patient: Patient, position: int, timeline: Timeline) -> Iterator[tuple[int, int, _Answer]]:
    stay = patient.events[position]
    last = _last_of_first_day(stay, timeline)
    leaves = patient.fact(stay, "dischtime")
    if last is None or leaves is None or stay.start is None:
        return
    seen = patient.events[last].start
    if seen is not None and seen < leaves:
        yield position, last + 1, ("LengthOfStay_3day", leaves - stay.start > 3 * DAY)
        yield position, last + 1, ("LengthOfStay_7day", leaves - stay.start > 7 * DAY)
    died = death_date(patient)
    yield position, last + 1, ("Inpatient_Mortality", died is not None and leaves >= died)


def _icu(patient: Patient, position: int, timeline: Timeline) -> Iterator[tuple[int, int, _Answer]]:
    stay = patient.events[position]
    last = _last_of_first_day(stay, timeline)
    if last is None or stay.start is None:
        return
    died, seen, out = death_date(patient), patient.events[last].start, patient.fact(stay, "outtime")
    for days in ICU_DEATH_DAYS:
        yield position, last + 1, (f"ICU_Mortality_{days}day", died is not None and seen is not None and died - seen < days * DAY)
    for days in ICU_STAY_DAYS:
        if out is not None:
            yield position, last + 1, (f"ICU_Stay_{days}day", out - stay.start >= days * DAY)
    yield position, last + 1, ("ICU_Readmission", timeline.next_icu(stay.hadm, position) is not None)


def _last_of_first_day(stay: Event, timeline: Timeline) -> int | None:
    if stay.hadm is None or stay.start is None:
        return None
    return timeline.last_before(stay.start + DAY, stay.hadm)


def _readmissions(patient: Patient, position: int, timeline: Timeline) -> Iterator[tuple[int, int, _Answer]]:
    note = patient.events[position]
    if note.start is None or note.hadm is None:
        return
    begin = timeline.first_after(note.hadm, note.start - DAY)
    if begin is None or begin >= position:
        return
    again = timeline.next("admissions", position)
    for days in READMISSION_DAYS:
        yes = again is not None and again.start is not None and again.start - note.start < days * DAY
        yield begin, position + 1, (f"Readmission_{days}day", yes)


_STAYS = {"edstays": _emergency, "admissions": _admission, "icustays": _icu}
