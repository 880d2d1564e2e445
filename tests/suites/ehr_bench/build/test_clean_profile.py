"""The clean profile's promises, checked on every sample of the open demos."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.index import MAX_PATIENT_EVENTS, kept, patient_samples
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.merge import Patient, events_of, load_patients
from ehrbench.suites.ehr_bench.build.profile import PROFILES
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.shown import shown_positions
from ehrbench.suites.ehr_bench.build.stage import stage_tables

CLEAN = PROFILES["clean"]


@pytest.fixture(scope="module")
def patients(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Patient]:
    data = shared_dir / "data"
    mimic = Mimic(data / "mimic-iv-demo", ed=data / "mimic-iv-ed-demo")
    stage = stage_tables(mimic, tmp_path_factory.mktemp("stage"), CLEAN, Maps())
    everybody = load_patients(stage, 0, events_of(stage, 0, CLEAN))
    return [patient for patient in everybody if len(patient.events) <= MAX_PATIENT_EVENTS]


@pytest.fixture(scope="module")
def samples(patients: list[Patient]) -> list[tuple[Patient, Sample]]:
    found = [(p, s) for p in patients for s in patient_samples(p, CLEAN) if kept(s)]
    assert len(found) > 10_000
    return found


def shown(patient: Patient, sample: Sample) -> Iterator[int]:
    yield from shown_positions(patient, sample, CLEAN)


def test_no_inpatient_order_in_a_window_that_asks_for_hospitalization(samples: list[tuple[Patient, Sample]]) -> None:
    asked = [(p, s) for p, s in samples if s.task == "ED_Hospitalization"]
    assert asked
    seen = {p.events[i].table for p, s in asked for i in shown(p, s)}
    assert "vitalsign" in seen
    assert not seen & {"services", "poe", "prescriptions", "pharmacy", "emar", "transfers", "icustays", "admissions"}
    assert all(s.admission is None for _, s in asked)


def test_no_row_stands_twice(patients: list[Patient]) -> None:
    for patient in patients:
        rows = [(event.table, row) for event in patient.events for row in event.rows]
        assert len(rows) == len(set(rows))
        assert {e.table for e in patient.events if e.start is None} <= {"patients", "diagnoses_icd"}


def test_every_window_keeps_within_its_hours(samples: list[tuple[Patient, Sample]]) -> None:
    for patient, sample in samples:
        assert sample.opens is not None and sample.closes is not None
        for event in (patient.events[i] for i in shown(patient, sample)):
            if event.start is not None and event.end is not None:
                assert sample.opens <= event.start and event.end <= sample.closes
        if sample.task.startswith(("ICU_", "Inpatient", "LengthOfStay")):
            assert sample.closes - sample.opens < 24 * 3600


def test_near_duplicates_and_the_target_itself_are_not_shown(samples: list[tuple[Patient, Sample]]) -> None:
    for patient, sample in samples:
        assert sample.target in ("yes", "no") or sample.admission != sample.end
        if sample.task in ("prescriptions", "emar"):
            assert all(patient.events[i].table != "pharmacy" for i in shown(patient, sample))
        for i in shown(patient, sample):
            assert patient.events[i].table != "diagnoses_icd" or patient.events[i].hadm != sample.hadm


def test_deaths_are_the_hospitals_and_stays_outlast_their_windows(
    samples: list[tuple[Patient, Sample]], shared_dir: Path
) -> None:
    with gzip.open(shared_dir / "data/mimic-iv-demo/hosp/admissions.csv.gz", "rt") as file:
        flags = {int(row["hadm_id"]): row["hospital_expire_flag"] == "1" for row in csv.DictReader(file)}
    deaths = [(s.hadm, s.target == "yes") for _, s in samples if s.task == "Inpatient_Mortality"]
    assert any(yes for _, yes in deaths)
    assert all(flags[hadm] == yes for hadm, yes in deaths if hadm is not None)
    for patient, sample in samples:
        if sample.task.startswith(("LengthOfStay", "Inpatient")):
            stay = patient.events[sample.begin]
            assert stay.start is not None and patient.fact(stay, "dischtime") - stay.start > 24 * 3600
        if sample.task.startswith("Readmission") and sample.hadm is not None:
            assert not flags[sample.hadm]
