"""Which events of its window a sample shows (protocol page, section 1.2, and rows 16 to 18 of section 7)."""

from __future__ import annotations

from collections.abc import Mapping

from ehrbench.suites.ehr_bench.build.merge import Event, Patient
from ehrbench.suites.ehr_bench.build.profile import BuildProfile
from ehrbench.suites.ehr_bench.build.sample import Sample

_NOTE = frozenset({"discharge"})
BANNED: Mapping[str, frozenset[str]] = dict.fromkeys(("diagnoses_icd", "diagnoses_ccs", "diagnosis", "diagnosis_ccs"), _NOTE)
"""Tables that the release leaves out, by task."""
NEAR_DUPLICATES: Mapping[str, frozenset[str]] = dict.fromkeys(
    ("prescriptions", "prescriptions_atc", "emar"), frozenset({"pharmacy"})
)
"""Tables that all but repeat the target: left out of a clean context, too."""
BEFORE_ADMISSION = frozenset(
    {"omr", "edstays", "triage", "vitalsign", "medrecon", "pyxis", "labevents", "microbiologyevents", "radiology"}
)
"""What a clean context of an emergency task may show: everything else is ordered, moved or charted for an admission."""
_AFTERWARDS = frozenset({"discharge", "diagnoses_icd", "drgcodes"})
"""Written when an admission is over; the note is dated midnight, before the day's events."""


def banned_tables(sample: Sample, profile: BuildProfile) -> frozenset[str]:
    """Tables that a task's contexts never show."""
    banned = BANNED.get(sample.task, frozenset())
    return banned | NEAR_DUPLICATES.get(sample.task, frozenset()) if profile.clean else banned


def shown_positions(patient: Patient, sample: Sample, profile: BuildProfile) -> list[int]:
    """The positions of the window's events that a context shows, in order; never the admissions, which are headers."""
    banned = banned_tables(sample, profile)
    found = range(sample.begin, sample.end)
    if not profile.clean:
        return [i for i in found if patient.events[i].table != "admissions" and patient.events[i].table not in banned]
    return [i for i in found if patient.events[i].table not in banned and _allowed(patient.events[i], sample)]


def _allowed(event: Event, sample: Sample) -> bool:
    if event.table == "admissions":
        return False
    if sample.event == "edstays" and sample.task.startswith("ED_") and event.table not in BEFORE_ADMISSION:
        return False
    if event.table in _AFTERWARDS and event.hadm == sample.hadm and not sample.task.startswith("Readmission_"):
        return False
    return sample.closes is None or event.end is None or event.end <= sample.closes
