"""Risk-prediction samples without the release's leaks and label errors (protocol page, section 7, rows 16 to 20).

Windows end with their hours. Deaths are the hospital's own, not ``dod``. A stay that is over, or an outcome that is known, at its
window's end makes no sample; nor does a death in hospital for a readmission.
"""

from __future__ import annotations

from collections.abc import Iterator

from ehrbench.suites.ehr_bench.build.merge import Event, Patient
from ehrbench.suites.ehr_bench.build.risk import ICU_DEATH_DAYS, ICU_STAY_DAYS, READMISSION_DAYS
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.timeline import DAY, HOUR, Timeline


def clean_risk_samples(
    patient: Patient, position: int, timeline: Timeline, headers: tuple[int | None, int | None]
) -> Iterator[Sample]:
    """The samples that an event anchors; arguments as ``risk_samples``'s.

    Without notes the readmission tasks are anchored at the discharge, which their windows end before.
    """
    event = patient.events[position]
    if event.start is None or event.hadm is None and event.table != "edstays":
        return

    def window(answers: list[tuple[str, bool]], begin: int, opens: int, closes: int) -> Iterator[Sample]:
        last = timeline.last_before(closes + 1, event.hadm if event.table != "edstays" else None)
        header = headers[0] if event.table != "edstays" else None
        if last is None or last < begin:
            return
        for task, yes in answers:
            target = "yes" if yes else "no"
            yield Sample(
                patient.subject, event.hadm, task, event.table, begin, last + 1, target, header, headers[1], opens, closes
            )

    if event.table == "edstays":
        out = patient.fact(event, "outtime")
        if out is not None:
            yield from window(_emergency(patient, position, timeline, out), position, event.start, out - 1)
    elif event.table == "icustays":
        yield from window(_icu(patient, position, timeline), position, event.start, event.start + DAY - 1)
    elif event.table == "admissions":
        leaves = patient.fact(event, "dischtime")
        if leaves is None:
            return
        if leaves - event.start > DAY:
            stays = [(f"LengthOfStay_{days}day", leaves - event.start > days * DAY) for days in (3, 7)]
            answers = [*stays, ("Inpatient_Mortality", _died(patient, event))]
            yield from window(answers, position, event.start, event.start + DAY - 1)
        begin = timeline.first_after(event.hadm, leaves - DAY)
        if "discharge" not in patient.columns and begin is not None and not _died(patient, event):
            yield from window(_readmissions(timeline, position, leaves), begin, leaves - DAY, leaves - 1)
    elif event.table == "discharge":
        begin, stay = timeline.first_after(event.hadm, event.start - DAY), _stay(patient, timeline, event.hadm)
        if begin is not None and begin < position and not (stay and _died(patient, stay)):
            yield from window(_readmissions(timeline, position, event.start), begin, event.start - DAY, event.start)


def _emergency(patient: Patient, position: int, timeline: Timeline, out: int) -> list[tuple[str, bool]]:
    hadm = patient.events[position].hadm
    stay = _stay(patient, timeline, hadm)
    icu, again = timeline.next_icu(hadm, position), timeline.next("edstays", position)
    died = stay is not None and _died(patient, stay)
    moved = icu is not None and icu.start is not None and icu.start - out < 12 * HOUR
    back = again is not None and again.start is not None and 0 <= again.start - out < 72 * HOUR
    return [
        ("ED_Hospitalization", stay is not None),
        ("ED_Inpatient_Mortality", died),
        ("ED_ICU_Tranfer_12hour", moved),
        ("ED_Reattendance_3day", back),
        ("ED_Critical_Outcomes", died or moved),
    ]


def _icu(patient: Patient, position: int, timeline: Timeline) -> list[tuple[str, bool]]:
    event = patient.events[position]
    assert event.start is not None
    ends, out = event.start + DAY, patient.fact(event, "outtime")
    stay, again = _stay(patient, timeline, event.hadm), timeline.next_icu(event.hadm, position)
    death = patient.fact(stay, "deathtime") if stay is not None else None
    answers = []
    if death is None or death > ends:
        answers += [(f"ICU_Mortality_{days}day", death is not None and death - ends < days * DAY) for days in ICU_DEATH_DAYS]
    if out is not None and out > ends:
        answers += [(f"ICU_Stay_{days}day", out - event.start > days * DAY) for days in ICU_STAY_DAYS]
    if again is None or again.start is not None and again.start >= ends:
        answers.append(("ICU_Readmission", again is not None))
    return answers


def _readmissions(timeline: Timeline, position: int, leaves: int) -> list[tuple[str, bool]]:
    again = timeline.next("admissions", position)
    gap = again.start - leaves if again is not None and again.start is not None else None
    return [(f"Readmission_{days}day", gap is not None and gap < days * DAY) for days in READMISSION_DAYS]


def _stay(patient: Patient, timeline: Timeline, hadm: int | None) -> Event | None:
    found = (patient.events[i] for i in timeline.later("admissions", 0))
    return next((event for event in found if hadm is not None and event.hadm == hadm), None)


def _died(patient: Patient, stay: Event) -> bool:
    return bool(patient.fact(stay, "hospital_expire_flag") == 1)
