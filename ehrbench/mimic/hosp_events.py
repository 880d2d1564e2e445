"""Events of the hospital's tables (hosp): who the patient is, laboratory, microbiology, drugs, moves, diagnoses.

A pair of functions an event type, one to reduce and one to word; see ``events``.
"""

from __future__ import annotations

import polars as pl

from ehrbench.mimic.tables import Mimic
from ehrbench.mimic.wording import (
    duration_hours,
    joined,
    labelled,
    mark_known,
    since_admission,
    translated,
    two_decimals,
    without,
)

MASK = "___"
"""What PhysioNet writes over removed text."""
NO_UNIT = "N/A"
"""A unit of labevents that the released files do not show: their reader took it for a missing value."""


def demographics(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Who the patient is."""
    patients = mimic.scan("patients", ["subject_id", "gender", "anchor_age", "anchor_year"]).unique("subject_id")
    stays = mimic.scan("admissions", ["hadm_id", "race", "marital_status", "insurance"]).unique("hadm_id")
    age = (pl.col("admit").dt.year() - pl.col("anchor_year") + pl.col("anchor_age")).cast(pl.Int64)
    rows = admissions.join(stays, on="hadm_id", how="left").join(patients, on="subject_id", how="left")
    return _at_admission(rows.with_columns(age=age).drop("anchor_age", "anchor_year"))


def word_demographics(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    labels = {"gender": "gender", "age": "age", "race": "race", "marital status": "marital_status", "insurance": "insurance"}
    return rows.with_columns(text=labelled(labels))


def admission_info(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """How the admission began."""
    stays = mimic.scan("admissions", ["hadm_id", "admission_type", "admission_location"]).unique("hadm_id")
    rows = admissions.join(stays, on="hadm_id", how="left")
    if "chief_complaint" in rows.collect_schema():
        pass  # the cohort has brought the triage's
    elif mimic.has("discharge"):
        rows = rows.join(_chief_complaints(mimic), on="hadm_id", how="left")
    else:
        rows = rows.with_columns(chief_complaint=pl.lit(None, pl.String))
    return _at_admission(rows)


def word_admission_info(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    labels = {"type": "admission_type", "location": "admission_location", "chief complaint": "chief_complaint"}
    return rows.with_columns(text=labelled(labels))


def _at_admission(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add that it is known from the admission on."""
    return rows.with_columns(at_us=pl.lit(0, pl.Int64), available_us=pl.lit(0, pl.Int64), known=pl.lit(True))


def _chief_complaints(mimic: Mimic) -> pl.LazyFrame:
    """The line that follows "Chief Complaint:" in each discharge summary."""
    found = pl.col("text").str.extract(r"(?:Chief|___) Complaint:\s*([^\n]+)", 1).str.strip_chars()
    return (
        mimic.scan("discharge", ["hadm_id", "note_id", "text"])
        .select("hadm_id", "note_id", chief_complaint=found)
        .filter(pl.col("chief_complaint").str.len_chars() > 0)
        .sort("hadm_id", "note_id")
        .unique("hadm_id", keep="first")
        .drop("note_id")
    )


def _titles(mimic: Mimic) -> pl.LazyFrame:
    def named() -> pl.LazyFrame:
        titles = mimic.scan("d_icd_diagnoses").with_columns(pl.col("icd_code").str.strip_chars())
        return titles.filter(pl.col("long_title").is_not_null()).unique(["icd_code", "icd_version"])

    return mimic.once("titles of diagnoses", named)


def diagnoses(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Billed diagnoses, at the discharge."""
    rows = mimic.scan("diagnoses_icd", ["hadm_id", "seq_num", "icd_code", "icd_version"])
    rows = rows.with_columns(pl.col("icd_code").str.strip_chars()).join(admissions, on="hadm_id")
    rows = rows.with_columns(at_us="los_us", available_us="los_us")
    return mark_known(rows, _titles(mimic), ["icd_code", "icd_version"])


def word_diagnoses(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    titled = rows.join(_titles(mimic), on=["icd_code", "icd_version"], how="left")
    return titled.with_columns(text=joined("Billed diagnosis: ", pl.col("long_title"), needs="long_title"))


def labevents(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Laboratory values: masked ones repaired, those never stored left out."""
    columns = ["hadm_id", "labevent_id", "specimen_id", "itemid", "charttime", "storetime", "value", "valuenum", "valueuom"]
    shown = without("value", MASK)
    rows = (
        mimic.scan("labevents", [*columns, "flag"])
        .join(admissions, on="hadm_id")
        .filter(pl.col("storetime").is_not_null() & pl.col("charttime").is_not_null())
        .with_columns(
            value=pl.coalesce(shown, two_decimals(pl.when(shown.is_null()).then("valuenum"))),
            unit=without("valueuom", NO_UNIT),
            normal=pl.col("flag").is_null(),
            at_us=since_admission("charttime"),
            available_us=since_admission("storetime"),
        )
        .filter(pl.col("value").is_not_null())
        .drop("valuenum", "valueuom", "flag", "charttime", "storetime")
    )
    return mark_known(rows, _lab_items(mimic), ["itemid"])


def _lab_items(mimic: Mimic) -> pl.LazyFrame:
    def named() -> pl.LazyFrame:
        items = mimic.scan("d_labitems").filter(pl.col("label").is_not_null()).unique("itemid")
        return items.with_columns(item=joined(pl.col("fluid"), " ", pl.col("label"), " ", pl.col("category")))

    return mimic.once("laboratory items", named)


def word_labevents(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    number = pl.col("value").str.strip_chars().cast(pl.Float64, strict=False)
    flag = pl.when("normal").then(pl.lit(" (normal)")).otherwise(pl.lit(" (abnormal)"))
    return (
        rows.join(_lab_items(mimic), on="itemid", how="left", maintain_order="left")
        .with_columns(quantity=joined(pl.col("value"), (" ", pl.col("unit"))), number=pl.when(number.is_finite()).then(number))
        .with_columns(text=joined(pl.col("item"), ": ", pl.col("quantity"), flag, needs="item"))
    )


def microbiology(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Microbiology, one row a test, organism and antibiotic; tests without a time of day are left out."""
    columns = ["hadm_id", "microevent_id", "charttime", "storetime", "spec_itemid", "spec_type_desc", "test_name", "org_name"]
    words = {"S": "sensitive", "R": "resistant", "I": "intermediate"}
    return (
        mimic.scan("microbiologyevents", [*columns, "ab_name", "interpretation", "comments"])
        .join(admissions, on="hadm_id")
        .filter(pl.col("storetime").is_not_null() & pl.col("charttime").is_not_null())
        .with_columns(
            interpretation=translated("interpretation", words),
            at_us=since_admission("charttime"),
            available_us=since_admission("storetime"),
            known=pl.col("test_name").is_not_null(),
        )
        .drop("charttime", "storetime")
    )


def word_microbiology(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    text = joined(
        pl.col("test_name"),
        (" on ", pl.col("spec_type_desc")),
        (", organism grew: ", pl.col("org_name")),
        (", antibiotic tested: ", pl.col("ab_name")),
        (", antibiotic sensitivity: ", pl.col("interpretation")),
        (", comments: ", pl.col("comments")),
        needs="test_name",
    )
    return rows.with_columns(text=text)


def prescriptions(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Prescriptions that last."""
    columns = ["hadm_id", "pharmacy_id", "starttime", "stoptime", "drug_type", "drug", "prod_strength", "dose_val_rx"]
    return (
        mimic.scan("prescriptions", [*columns, "dose_unit_rx", "route"])
        .join(admissions, on="hadm_id")
        .filter(pl.col("stoptime") > pl.col("starttime"))
        .with_columns(
            duration=duration_hours("starttime", "stoptime"),
            at_us=since_admission("starttime"),
            available_us=since_admission("starttime"),
            known=pl.col("drug").is_not_null(),
        )
        .drop("starttime", "stoptime")
    )


def word_prescriptions(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    text = joined(
        pl.col("drug"),
        (" (", pl.col("prod_strength"), ")"),
        (", prescribed dose: ", pl.col("dose_val_rx")),
        (" ", pl.col("dose_unit_rx")),
        (", route: ", pl.col("route")),
        ", duration: ",
        two_decimals(pl.col("duration")),
        " hour",
        needs="drug",
    )
    return rows.with_columns(dose=joined(pl.col("dose_val_rx"), (" ", pl.col("dose_unit_rx")), needs="dose_val_rx"), text=text)


def transfers(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Moves between units, and the discharge."""
    leaves = pl.col("eventtype").eq("discharge").fill_null(False)
    return (
        mimic.scan("transfers", ["hadm_id", "transfer_id", "eventtype", "careunit", "intime"])
        .join(admissions, on="hadm_id")
        .filter(pl.col("intime").is_not_null())
        .with_columns(
            eventtype=translated("eventtype", {"ED": "admit"}),
            careunit=pl.when(~leaves).then("careunit"),
            leaves=leaves,
            at_us=since_admission("intime"),
            available_us=since_admission("intime"),
            known=pl.col("eventtype").is_not_null(),
        )
        .drop("intime")
    )


def word_transfers(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    return rows.with_columns(text=joined(pl.col("eventtype"), (" to ", pl.col("careunit")), needs="eventtype"))
