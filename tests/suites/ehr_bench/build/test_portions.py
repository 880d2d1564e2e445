"""Patients are the same in portions of any size, alone or with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.merge import Patient, events_of, load_patients
from ehrbench.suites.ehr_bench.build.profile import PROFILES
from ehrbench.suites.ehr_bench.build.stage import stage_tables
from tests.mimic.copies import as_released, copy, rows_of

pytestmark = pytest.mark.demo_data
PEOPLE = 6


@pytest.fixture(scope="module")
def mimic(demo: Mimic, tmp_path_factory: pytest.TempPathFactory) -> Mimic:
    return copy(rows_of(demo, PEOPLE), tmp_path_factory.mktemp("tables"), as_released)


def told(patient: Patient, *, shown: bool = True) -> list[Any]:
    """A patient's events with their values, or with those that samples are made of."""

    def columns(table: str) -> tuple[str, ...]:
        return tuple(patient.columns[table]) if shown else SOURCES[table].answers

    return [(*e[:4], {c: patient.values(e, c) for c in columns(e.table)}) for e in patient.events]


@pytest.mark.parametrize("name", PROFILES)
def test_a_patient_is_the_same_in_every_portion(mimic: Mimic, tmp_path: Path, name: str) -> None:
    profile = PROFILES[name]
    whole = stage_tables(mimic, tmp_path / "whole", profile, Maps(), raw=True)
    small = stage_tables(mimic, tmp_path / "small", profile, Maps(), raw=True, size=2)
    assert len(small["patients"].firsts) == PEOPLE // 2
    everything = events_of(whole, 0, profile)
    together = {patient.subject: patient for patient in load_patients(whole, 0, everything, raw=True)}
    apart = [
        patient
        for portion in range(PEOPLE // 2)
        for patient in load_patients(small, portion, events_of(small, portion, profile), raw=True)
    ]
    assert [patient.subject for patient in apart] == sorted(together)
    assert [told(patient) for patient in apart] == [told(together[patient.subject]) for patient in apart]
    for subject in together:
        own = events_of(whole, 0, profile, [subject])
        assert own.equals(everything.filter(pl.col("subject") == subject))
        (alone,) = load_patients(whole, 0, own, shown=False)
        assert told(alone, shown=False) == told(together[subject], shown=False)
        assert all(set(values) == set(SOURCES[table].answers) for table, values in alone.columns.items())


def test_rows_of_a_patient_whom_the_release_lacks_are_left_out(demo: Mimic, tmp_path: Path) -> None:
    tables = dict(rows_of(demo, PEOPLE))
    header, people = tables["patients"]
    tables["patients"] = header, people[1:-1]
    stage = stage_tables(copy(tables, tmp_path / "tables", as_released), tmp_path, PROFILES["clean"], Maps())
    left = {int(row[header.index("subject_id")]) for row in people[1:-1]}
    assert set(events_of(stage, 0, PROFILES["clean"])["subject"]) == left
    assert all(set(staged.scan().collect()["subject"]) <= left for staged in stage.values())


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("owner", ["", "1"])
def test_a_row_of_nobody_still_decides_how_its_column_is_printed(demo: Mimic, tmp_path: Path, name: str, owner: str) -> None:
    tables = dict(rows_of(demo, PEOPLE))
    header, rows = tables["labevents"]
    subject, value = header.index("subject_id"), header.index("valuenum")
    sevens = [[*row[:value], "7", *row[value + 1 :]] for row in rows]
    stray = [owner if i == subject else "7.5" if i == value else cell for i, cell in enumerate(rows[0])]
    tables["labevents"] = header, [*sevens, stray]
    mimic = copy(tables, tmp_path / "tables", as_released)
    stage = stage_tables(mimic, tmp_path / "stage", PROFILES[name], Maps(), size=2)
    assert set(stage["labevents"].scan().collect()["valuenum"]) == {"7.0"}
