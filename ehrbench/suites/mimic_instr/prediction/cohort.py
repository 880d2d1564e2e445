"""The clinical prediction benchmark: who is predicted, and what came true (protocol page, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from ehrbench.mimic.ccs import Ccs
from ehrbench.mimic.cohort import Cohort
from ehrbench.mimic.tables import Mimic

PredictionTask = Literal["mortality", "los", "readmission", "diagnosis"]
PREDICTION_TASKS: tuple[PredictionTask, ...] = ("mortality", "los", "readmission", "diagnosis")

OBSERVED_HOURS = 48
"""Input of mortality and length of stay, and the shortest stay in their cohorts."""
LONG_STAY_HOURS = 168
READMISSION_HOURS = 14 * 24

PHENOTYPES: Mapping[int, str] = {
    2: "Septicemia",
    55: "Fluid and electrolyte disorders",
    100: "Acute myocardial infarction",
    108: "Congestive heart failure",
    109: "Acute cerebrovascular disease",
    122: "Pneumonia",
    130: "Pleurisy; pneumothorax; pulmonary collapse",
    131: "Respiratory failure",
    133: "Other lower respiratory disease",
    134: "Other upper respiratory disease",
    151: "Other liver diseases",
    153: "Gastrointestinal hemorrhage",
    157: "Acute and unspecified renal failure",
    238: "Complications of surgical procedures",
    249: "Shock",
    49: "Diabetes mellitus without complication",
    50: "Diabetes mellitus with complications",
    53: "Disorders of lipid metabolism",
    98: "Essential hypertension",
    99: "Hypertension with complications",
    101: "Coronary atherosclerosis and other heart disease",
    105: "Conduction disorders",
    106: "Cardiac dysrhythmias",
    127: "Chronic obstructive pulmonary disease",
    158: "Chronic kidney disease",
}
"""CCS categories in the order of the paper's Table 10: 15 acute, then 10 chronic."""


def outcomes(mimic: Mimic, cohort: Cohort, task: PredictionTask, *, long_stay_hours: float = LONG_STAY_HOURS) -> pl.DataFrame:
    """The admissions of one binary task, with what came true.

    Stays are reckoned by ``dischtime``; death is ``hospital_expire_flag``. A readmission is any admission of the patient, to the
    ICU or not, that begins within 14 x 24 hours of the discharge.

    Args:
        mimic: the release.
        cohort: MIMIC-Instr's.
        task: ``mortality``, ``los`` or ``readmission``; for the phenotypes see ``phenotypes``.
        long_stay_hours: a stay is long when it is longer. The paper's prevalence of 0.18 does not fit its 7 days (protocol page,
            8.8), so numbers for ``los`` do not compare with its Table 5.

    Returns:
        ``subject_id, hadm_id, label``, by ``hadm_id``.
    """
    hour = 3_600_000_000
    stays = cohort.admissions
    if task == "mortality":
        rows = stays.filter(pl.col("los_us") >= OBSERVED_HOURS * hour).with_columns(label="died")
    elif task == "los":
        label = pl.col("los_us") > round(long_stay_hours * hour)
        rows = stays.filter(pl.col("los_us") >= OBSERVED_HOURS * hour).with_columns(label=label)
    elif task == "readmission":
        again = _next_admission(mimic, stays)
        rows = stays.filter(~pl.col("died")).join(again, on="hadm_id", how="left")
        rows = rows.with_columns(label=(pl.col("gap_us") <= READMISSION_HOURS * hour).fill_null(False))
    else:
        raise ValueError(f"'{task}' has no single outcome")
    return rows.select("subject_id", "hadm_id", "label").sort("hadm_id")


def _next_admission(mimic: Mimic, stays: pl.DataFrame) -> pl.DataFrame:
    """Time from each discharge to the patient's next admission: ``hadm_id, gap_us``."""
    later = mimic.collect(mimic.scan("admissions", ["subject_id", "hadm_id", "admittime"])).rename({"hadm_id": "next"})
    gap = (pl.col("admittime") - pl.col("hadm_outtime")).dt.total_microseconds()
    pairs = stays.select("subject_id", "hadm_id", "hadm_outtime").join(later, on="subject_id")
    after = pairs.filter(pl.col("next") != pl.col("hadm_id")).with_columns(gap_us=gap).filter(pl.col("gap_us") >= 0)
    return after.group_by("hadm_id").agg(pl.col("gap_us").min())


def phenotypes(mimic: Mimic, cohort: Cohort, ccs: Ccs) -> tuple[pl.DataFrame, int]:
    """Which of the 25 phenotypes each admission was billed for, at any place of its list of diagnoses.

    Returns:
        ``subject_id, hadm_id`` and a column of truth values a phenotype, named by its CCS category; and how many diagnosis rows
        have a code that AHRQ's files do not know.
    """
    rows = mimic.collect(
        mimic.scan("diagnoses_icd", ["hadm_id", "icd_code", "icd_version"]).join(
            cohort.admissions.lazy().select("hadm_id"), on="hadm_id", how="semi"
        )
    )
    codes = rows.select("icd_version", "icd_code").unique()
    known = codes.with_columns(
        category=pl.Series([ccs.category(version, code) for version, code in codes.iter_rows()], dtype=pl.Int64)
    )
    found = rows.join(known, on=["icd_version", "icd_code"], how="left")
    held = found.group_by("hadm_id").agg(*(pl.col("category").eq(number).any().alias(str(number)) for number in PHENOTYPES))
    labels = cohort.admissions.select("subject_id", "hadm_id").join(held, on="hadm_id", how="left")
    return labels.with_columns(pl.col(str(number)).fill_null(False) for number in PHENOTYPES).sort("hadm_id"), found[
        "category"
    ].null_count()
