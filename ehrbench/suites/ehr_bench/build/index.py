"""All samples of a patient, and which of them are kept (protocol page, sections 6.4 to 6.6)."""

from __future__ import annotations

from collections.abc import Iterator

from ehrbench.suites.ehr_bench.build.clean_risk import clean_risk_samples
from ehrbench.suites.ehr_bench.build.decision import decision_samples
from ehrbench.suites.ehr_bench.build.merge import Patient
from ehrbench.suites.ehr_bench.build.profile import BuildProfile
from ehrbench.suites.ehr_bench.build.risk import ANCHORS, risk_samples
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.timeline import Timeline

MAX_PATIENT_EVENTS = 1200
SHORTEST, LONGEST = 11, 99
"""Events in a window that is kept."""
MOST_CHART_ITEMS = 9
_BILLED = frozenset({"procedures_icd", "procedures_ccs", "diagnoses_icd", "diagnoses_ccs"})


def patient_samples(patient: Patient, profile: BuildProfile) -> Iterator[Sample]:
    """Every sample before filtering, in the order of the events they are about."""
    timeline = Timeline(patient.events)
    anchored = clean_risk_samples if profile.clean else risk_samples
    admission = discharge = None
    for position, event in enumerate(patient.events):
        if event.table == "admissions":
            admission = position
        elif event.table == "discharge":
            discharge = position
        if position == 0:
            continue
        own = admission if admission is not None and patient.events[admission].hadm == event.hadm is not None else None
        other = discharge if discharge is not None and patient.events[discharge].hadm != event.hadm else None
        yield from decision_samples(patient, position, timeline, (own, other), profile)
        if event.table in ANCHORS:
            yield from anchored(patient, position, timeline, (own, other))


def kept(sample: Sample) -> bool:
    """Whether a sample passes the released filters; patients of more than 1,200 events are left out before."""
    if not SHORTEST <= sample.end - sample.begin <= LONGEST:
        return False
    if sample.task in _BILLED and sample.admission is not None and sample.admission <= sample.begin:
        return False
    return sample.task != "chartevents" or len(sample.labels) <= MOST_CHART_ITEMS
