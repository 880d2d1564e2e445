"""MIMIC-IV rows as timed, worded events (protocol page, section 2.2).

Two steps make an event. *Reducing* streams a table down to the cohort's rows and the few columns that matter, with ``at_us``
(microseconds since hospital admission; negative before it) and ``available_us`` (when it was stored). *Wording* gives the reduced
rows their ``text`` and the columns that questions ask about. A row whose item is not in the release's own dictionary is not
``known`` and has no text; the caller counts and leaves out such rows.

Order among rows of one time is that of the full release's files (its row ids), then of the text, so it never depends on how the
rows lie in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from ehrbench.mimic import hosp_events as hosp
from ehrbench.mimic import icu_events as icu
from ehrbench.mimic.cohort import Cohort
from ehrbench.mimic.tables import Mimic

Profile = Literal["paper", "released"]


@dataclass(frozen=True)
class EventTable:
    """How one event type is made."""

    sources: tuple[str, ...]
    """The MIMIC-IV tables it needs."""
    reduce: Callable[[Mimic, pl.LazyFrame], pl.LazyFrame]
    """Arguments: the release, and the cohort's ``hadm_id, stay_id, subject_id, admit, los_us``."""
    word: Callable[[Mimic, pl.LazyFrame], pl.LazyFrame]
    """Arguments: the release, for its dictionaries, and reduced rows, whose order it keeps where the table is ``unique``."""
    order: tuple[str, ...] = ()
    """Sorted by ``hadm_id``, ``at_us``, then these."""
    unique: bool = False
    """Whether ``order`` tells all rows apart; else the text decides the rest."""


def reduced_rows(mimic: Mimic, cohort: Cohort, event_type: str) -> pl.LazyFrame:
    """The cohort's rows of one type, not yet worded, in no promised order."""
    columns = ["hadm_id", "stay_id", "subject_id", pl.col("hadm_intime").alias("admit"), "los_us"]
    if event_type == "admission_info" and "chief_complaint" in cohort.admissions.columns:
        columns.append("chief_complaint")
    rows = EVENT_TABLES[event_type].reduce(mimic, cohort.admissions.lazy().select(columns))
    return rows.drop("admit", "los_us", "stay_id", "subject_id", strict=False)


def worded_rows(mimic: Mimic, reduced: pl.LazyFrame, event_type: str) -> pl.LazyFrame:
    """Reduced rows with their text, the unknown left out, in no promised order."""
    return EVENT_TABLES[event_type].word(mimic, reduced.filter("known")).filter(pl.col("text").is_not_null())


def event_rows(mimic: Mimic, cohort: Cohort, event_type: str) -> pl.DataFrame:
    """Every event of one type in a cohort, in the order of the lists."""
    return sort_events(mimic.collect(worded_rows(mimic, reduced_rows(mimic, cohort, event_type), event_type)), event_type)


def worded_in_order(mimic: Mimic, reduced: pl.DataFrame, event_type: str) -> pl.DataFrame:
    """Reduced rows with their text, the unknown left out, in the order of the lists."""
    table = EVENT_TABLES[event_type]
    if table.unique:  # rows without their texts are cheaper to sort
        return worded_rows(mimic, sort_events(reduced, event_type).lazy(), event_type).collect()
    return sort_events(worded_rows(mimic, reduced.lazy(), event_type).collect(), event_type)


def sort_events(rows: pl.DataFrame, event_type: str) -> pl.DataFrame:
    """Rows of one type in the order of the lists: by admission and time, ties as the release has them."""
    table = EVENT_TABLES[event_type]
    keys = ["hadm_id", "at_us", *table.order, *(() if table.unique else ("text",))]
    return rows.sort(keys, nulls_last=True, maintain_order=True)


EVENT_TABLES: Mapping[str, EventTable] = {
    "patient_demographics": EventTable(("patients", "admissions"), hosp.demographics, hosp.word_demographics),
    "admission_info": EventTable(("admissions",), hosp.admission_info, hosp.word_admission_info),
    "labevents": EventTable(
        ("labevents", "d_labitems"), hosp.labevents, hosp.word_labevents, ("specimen_id", "labevent_id"), unique=True
    ),
    "microbiologyevents": EventTable(
        ("microbiologyevents",), hosp.microbiology, hosp.word_microbiology, ("spec_itemid", "microevent_id")
    ),
    "prescriptions": EventTable(("prescriptions",), hosp.prescriptions, hosp.word_prescriptions, ("pharmacy_id", "drug_type")),
    "transfers": EventTable(("transfers",), hosp.transfers, hosp.word_transfers, ("leaves", "transfer_id")),
    "procedureevents": EventTable(("procedureevents", "d_items"), icu.procedures, icu.word_procedures, ("orderid", "itemid")),
    "inputevents": EventTable(("inputevents", "d_items"), icu.inputs, icu.word_inputs, ("linkorderid", "orderid", "itemid")),
    "outputevents": EventTable(("outputevents", "d_items"), icu.outputs, icu.word_outputs, ("itemid",)),
    "diagnoses_icd": EventTable(("diagnoses_icd", "d_icd_diagnoses"), hosp.diagnoses, hosp.word_diagnoses, ("seq_num",)),
}
"""By event type; in a merged list, events of one time stand in this order."""

STATIC_TYPES = ("patient_demographics", "admission_info")
"""Always the first lines of a list."""
LISTED_TYPES: Mapping[Profile, tuple[str, ...]] = {
    "released": ("labevents", "microbiologyevents", "prescriptions", "transfers", "procedureevents"),
    "paper": (
        "labevents",
        "microbiologyevents",
        "prescriptions",
        "transfers",
        "procedureevents",
        "inputevents",
        "outputevents",
        "diagnoses_icd",
    ),
}
"""Which timed events a merged list shows: the released code's types, or the paper's (which make every question answerable)."""
