from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import MissingError
from ehrbench.mimic.ccs import Ccs, load_ccs
from ehrbench.mimic.cohort import Cohort, build_cohort
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.mimic_instr.prediction.cohort import PHENOTYPES, PredictionTask, outcomes, phenotypes
from tests.mimic.tiny_mimic import write_table

POSITIVES = {
    "mortality": "20755971 21607814 22081550 22130791 22987108 24540843 27617929 28661809 29276678 29842315",
    "readmission": (
        "20297618 20321825 23112364 24928679 25922998 28477357 28506150 28861356 28889419 29079034 29279905 29281842 29600294"
    ),
}
PHENOTYPE_COUNTS = {
    2: 17, 55: 42, 100: 10, 108: 28, 109: 5, 122: 15, 130: 16, 131: 31, 133: 15, 134: 9, 151: 16, 153: 13, 157: 32, 238: 31,
    249: 17, 49: 28, 50: 18, 53: 58, 98: 49, 99: 30, 101: 36, 105: 11, 106: 41, 127: 17, 158: 29,
}  # fmt: skip


@pytest.fixture(scope="module")
def packaged() -> Ccs:
    """AHRQ's files out of the two packages."""
    try:
        return load_ccs()
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.demo_data
@pytest.mark.parametrize(("task", "n", "positives"), [("mortality", 115, 10), ("los", 115, 56), ("readmission", 108, 13)])
def test_the_demos_cohorts(demo: Mimic, demo_cohort: Cohort, task: PredictionTask, n: int, positives: int) -> None:
    rows = outcomes(demo, demo_cohort, task)
    assert (rows.height, rows["label"].sum()) == (n, positives)
    if task in POSITIVES:
        assert rows.filter("label")["hadm_id"].to_list() == [int(h) for h in POSITIVES[task].split()]


@pytest.mark.demo_data
def test_the_demos_phenotypes(demo: Mimic, demo_cohort: Cohort, packaged: Ccs) -> None:
    labels, unmapped = phenotypes(demo, demo_cohort, packaged)
    assert unmapped == 0
    assert labels.height == 119
    assert {number: labels[str(number)].sum() for number in PHENOTYPES} == PHENOTYPE_COUNTS
    assert list(PHENOTYPES) == list(PHENOTYPE_COUNTS)


def release(root: Path, *stays: tuple[int, str, str, int]) -> Mimic:
    """One patient's admissions: (hadm_id, admitted, discharged, died); an ICU stay in each."""
    times = [{"subject_id": 1, "hadm_id": h, "admittime": a, "dischtime": d, "hospital_expire_flag": e} for h, a, d, e in stays]
    write_table(root, "admissions", times)
    write_table(root, "patients", [{"subject_id": 1, "gender": "F", "anchor_age": 50, "anchor_year": 2148}])
    write_table(
        root, "icustays", [{"subject_id": 1, "hadm_id": h, "stay_id": h, "intime": a, "outtime": d} for h, a, d, _ in stays]
    )
    return Mimic(root)


def labels(mimic: Mimic, task: PredictionTask, **more: float) -> dict[int, bool]:
    return dict(outcomes(mimic, build_cohort(mimic), task, **more).select("hadm_id", "label").iter_rows())


def test_the_bounds_of_stays(tmp_path: Path) -> None:
    mimic = release(
        tmp_path,
        (1, "2150-01-01 00:00:00", "2150-01-02 23:59:59", 1),  # a second short of 48 hours
        (2, "2150-02-01 00:00:00", "2150-02-03 00:00:00", 1),
        (3, "2150-03-01 00:00:00", "2150-03-08 00:00:00", 0),  # seven days exactly
        (4, "2150-04-01 00:00:00", "2150-04-08 00:00:01", 0),
    )
    assert labels(mimic, "mortality") == {2: True, 3: False, 4: False}
    assert labels(mimic, "los") == {2: False, 3: False, 4: True}
    assert labels(mimic, "los", long_stay_hours=24.0) == {2: True, 3: True, 4: True}


def test_the_bounds_of_readmission(tmp_path: Path) -> None:
    mimic = release(
        tmp_path,
        (1, "2150-01-01 00:00:00", "2150-01-02 00:00:00", 0),
        (2, "2150-01-16 00:00:00", "2150-01-17 00:00:00", 0),  # 14 days after the first, to the second
        (3, "2150-01-31 00:00:01", "2150-02-02 00:00:00", 0),  # a second more than 14 days after that
        (4, "2150-02-01 00:00:00", "2150-02-03 00:00:00", 1),  # begins before the one before has ended
    )
    assert labels(mimic, "readmission") == {1: True, 2: False, 3: False}


def test_phenotypes_of_codes_with_and_without_dots(tmp_path: Path) -> None:
    mimic = release(
        tmp_path, (1, "2150-01-01 00:00:00", "2150-01-02 00:00:00", 0), (2, "2150-02-01 00:00:00", "2150-02-02 00:00:00", 0)
    )
    row = {"subject_id": 1, "hadm_id": 1}
    codes = [("0389", 9), ("A419", 10), ("I10", 10), ("I10", 9), ("??", 10)]
    write_table(
        mimic.root, "diagnoses_icd", [row | {"seq_num": i, "icd_code": c, "icd_version": v} for i, (c, v) in enumerate(codes)]
    )
    ccs = Ccs({(9, "0389"): 2, (10, "A419"): 2, (10, "I10"): 98, (9, "I10"): 99}, {})
    assert ccs.category(9, "038.9 ") == 2
    found, unmapped = phenotypes(mimic, build_cohort(mimic), ccs)
    assert unmapped == 1
    rows = {h: {int(c) for c, v in zip(found.columns[2:], values, strict=True) if v} for _, h, *values in found.iter_rows()}
    assert rows == {1: {2, 98, 99}, 2: set()}


def test_the_packaged_files_are_ahrqs(packaged: Ccs) -> None:
    versions = pl.Series([version for version, _ in packaged.categories]).value_counts()
    assert dict(versions.iter_rows()) == {9: 15_072, 10: 72_446}
