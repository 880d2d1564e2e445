"""The open demos give the counts that the reference's procedure gave on them (protocol page, section 6.7)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.index import MAX_PATIENT_EVENTS, kept, patient_samples
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.merge import events_of, load_patients
from ehrbench.suites.ehr_bench.build.profile import PROFILES
from ehrbench.suites.ehr_bench.build.stage import stage_tables

DECISION = """
admissions          135 57        134 58
omr                 22 10         18 10
procedures_icd      109 28        104 27
diagnoses_icd       143 2         145 13
labevents           2020 1233     2021 1232
microbiologyevents  414 272       418 275
services            168 82        168 87
transfers           546 321       539 322
emar                2615 1999     2615 2012
poe                 5487 3858     5485 3874
prescriptions       2863 2171     2862 2175
medrecon            78 7          78 7
pyxis               217 115       217 117
diagnosis           100 78        100 78
ingredientevents    3513 2087     3513 2088
procedureevents     603 453       603 453
next_event          31362 20952   31357 21024
datetimeevents      1398 986      1398 986
inputevents         4242 2589     4242 2589
outputevents        2988 1941     2988 1941
"""
"""Task; as is: raw, kept; fixed: raw, kept."""

RISK = """
ED_Hospitalization     101 77 58 49   101 77 75 68
ED_Inpatient_Mortality 101 5 58 3     101 5 75 3
ED_ICU_Tranfer_12hour  101 39 58 27   101 39 75 32
ED_Reattendance_3day   101 2 58 1     101 2 75 1
ED_Critical_Outcomes   101 39 58 27   101 39 75 32
Inpatient_Mortality    145 8 97 4     145 8 101 4
LengthOfStay_3day      142 94 94 62   129 94 91 62
LengthOfStay_7day      142 40 94 28   129 40 91 28
ICU_Mortality_1day     93 4 40 1      93 4 40 1
ICU_Mortality_2day     93 6 40 1      93 6 40 1
ICU_Mortality_3day     93 6 40 1      93 6 40 1
ICU_Mortality_7day     93 12 40 3     93 12 40 3
ICU_Mortality_14day    93 13 40 4     93 13 40 4
ICU_Stay_7day          93 5 40 1      93 5 40 1
ICU_Stay_14day         93 0 40 0      93 0 40 0
ICU_Readmission        93 5 40 3      93 5 40 3
"""
"""Task; as is: raw, of them yes, kept, of them yes; fixed: the same."""


def expected(profile: str) -> dict[str, tuple[int, ...]]:
    found = {}
    for line in (DECISION + RISK).split("\n"):
        if line:
            task, *cells = line.split()
            half = len(cells) // 2
            found[task] = tuple(int(c) for c in (cells[:half] if profile == "ref" else cells[half:]))
    return found


@pytest.mark.parametrize("profile", ["ref", "fixed"])
def test_samples_of_the_demo(shared_dir: Path, tmp_path: Path, profile: str) -> None:
    data = shared_dir / "data"
    mimic = Mimic(data / "mimic-iv-demo", ed=data / "mimic-iv-ed-demo")
    stage = stage_tables(mimic, tmp_path, PROFILES[profile], Maps(), size=40)
    if "chartevents" in stage:
        pytest.skip("the counts are of a demo without chartevents")
    raw: Counter[tuple[str, str]] = Counter()
    left: Counter[tuple[str, str]] = Counter()
    n_events = []
    for portion in range(3):
        for patient in load_patients(stage, portion, events_of(stage, portion, PROFILES[profile])):
            n_events.append(len(patient.events))
            if len(patient.events) > MAX_PATIENT_EVENTS:
                continue
            for sample in patient_samples(patient, PROFILES[profile]):
                answer = "yes" if sample.target == "yes" else ""
                raw[sample.task, answer] += 1
                left[sample.task, answer] += kept(sample)
    if profile == "ref":
        assert (len(n_events), sum(n_events), max(n_events)) == (100, 81_967, 4_146)
    assert sum(n <= MAX_PATIENT_EVENTS for n in n_events) == 79
    found = {}
    for task, numbers in expected(profile).items():
        both = [value for counts in (raw, left) for value in (counts[task, "yes"] + counts[task, ""], counts[task, "yes"])]
        found[task] = tuple(both) if len(numbers) == 4 else (both[0], both[2])
    assert found == expected(profile)
    assert {task for task, _ in raw} == set(found)
