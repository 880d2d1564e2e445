"""The checked example: one synthetic patient from raw tables to events, index rows and contexts, as the reference made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.index import patient_samples
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.markdown import context_text, time_text
from ehrbench.suites.ehr_bench.build.merge import Patient, events_of, load_patients
from ehrbench.suites.ehr_bench.build.profile import PROFILES
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.stage import stage_tables


def load(synthetic: tuple[Mimic, Maps], folder: Path, profile: str = "ref") -> Patient:
    mimic, maps = synthetic
    stage = stage_tables(mimic, folder, PROFILES[profile], maps)
    (patient,) = load_patients(stage, 0, events_of(stage, 0, PROFILES[profile]))
    return patient


@pytest.fixture(scope="module")
def patient(synthetic: tuple[Mimic, Maps], tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return load(synthetic, tmp_path_factory.mktemp("stage"))


def as_row(sample: Sample) -> dict[str, Any]:
    row = {
        "subject_id": str(sample.subject),
        "hadm_id": str(sample.hadm),
        "task": sample.task,
        "event": sample.event,
        "context_begin": sample.begin,
        "context_end": sample.end,
        "target": sample.target if isinstance(sample.target, str) else list(sample.target),
    }
    return row if sample.admission is None else {**row, "admissions_id": sample.admission}


def test_the_events_are_the_references(patient: Patient, golden: dict[str, Any]) -> None:
    def text(seconds: int | None) -> str | None:
        return None if seconds is None else time_text(seconds)

    found = [
        [i, e.table, text(e.start), text(e.end), None if e.hadm is None else str(e.hadm), len(e.rows)]
        for i, e in enumerate(patient.events)
    ]
    assert found == golden["expected_events"]["rows"]


def test_the_index_rows_are_the_references(patient: Patient, golden: dict[str, Any]) -> None:
    """The example holds every second row."""
    rows = [as_row(sample) for sample in patient_samples(patient, PROFILES["ref"])]
    assert rows[::2] == golden["expected_task_rows"]


@pytest.mark.parametrize("task", ["ED_Hospitalization", "Inpatient_Mortality"])
def test_the_contexts_are_the_references_byte_for_byte(patient: Patient, golden: dict[str, Any], task: str) -> None:
    (sample,) = (s for s in patient_samples(patient, PROFILES["ref"]) if s.task == task)
    expected = golden["expected_inputs"][task]
    assert context_text(patient, sample, PROFILES["ref"]) == expected["input"]
    assert sample.target == expected["label"]


def test_codes_keep_their_leading_zeros_where_they_are_text(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    """The released procedure loses the ATC name of ``00054829725`` and the CCS title of ``0389``."""
    fixed = {s.task: s.target for s in patient_samples(load(synthetic, tmp_path, "fixed"), PROFILES["fixed"])}
    assert fixed["prescriptions_atc"] == fixed["medrecon_atc"] == ("Sulfonamides, plain",)
    assert fixed["diagnosis_ccs"] == ("Septicemia (except in labor)",)
