"""Events of the intensive-care tables (icu): inputs, outputs, procedures; see ``events``."""

from __future__ import annotations

import polars as pl

from ehrbench.mimic.tables import Mimic
from ehrbench.mimic.wording import duration_hours, joined, mark_known, since_admission, two_decimals


def inputs(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Infusions and other inputs that last."""
    columns = ["hadm_id", "stay_id", "starttime", "endtime", "itemid", "amount", "amountuom", "orderid", "linkorderid"]
    rows = (
        mimic.scan("inputevents", columns)
        .join(admissions, on=["hadm_id", "stay_id"])
        .filter(pl.col("endtime") > pl.col("starttime"))
        .with_columns(
            duration=duration_hours("starttime", "endtime"),
            at_us=since_admission("starttime"),
            available_us=since_admission("starttime"),
        )
        .rename({"amountuom": "unit"})
        .drop("starttime", "endtime")
    )
    return mark_known(rows, _icu_items(mimic), ["itemid"])


def word_inputs(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    text = joined(pl.col("label"), (" ", pl.col("quantity")), " for ", two_decimals(pl.col("duration")), " hour", needs="label")
    amount = joined(two_decimals(pl.col("amount")), (" ", pl.col("unit")), needs="amount")
    return rows.join(_icu_items(mimic), on="itemid", how="left").with_columns(quantity=amount).with_columns(text=text)


def outputs(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Outputs."""
    rows = (
        mimic.scan("outputevents", ["hadm_id", "stay_id", "charttime", "itemid", "value", "valueuom"])
        .join(admissions, on=["hadm_id", "stay_id"])
        .filter(pl.col("charttime").is_not_null())
        .with_columns(at_us=since_admission("charttime"), available_us=since_admission("charttime"))
        .rename({"valueuom": "unit"})
        .drop("charttime")
    )
    return mark_known(rows, _icu_items(mimic), ["itemid"])


def word_outputs(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    amount = joined(two_decimals(pl.col("value")), (" ", pl.col("unit")), needs="value")
    labelled = rows.join(_icu_items(mimic), on="itemid", how="left").with_columns(quantity=amount)
    return labelled.with_columns(text=joined(pl.col("label"), (" ", pl.col("quantity")), needs="label"))


def procedures(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    """Procedures, a point in time lasting a minute."""
    rows = (
        mimic.scan("procedureevents", ["hadm_id", "stay_id", "starttime", "endtime", "itemid", "orderid"])
        .join(admissions, on=["hadm_id", "stay_id"])
        .filter(pl.col("starttime").is_not_null())
        .with_columns(
            duration=duration_hours("starttime", "endtime"),
            at_us=since_admission("starttime"),
            available_us=since_admission("starttime"),
        )
        .drop("starttime", "endtime")
    )
    return mark_known(rows, _icu_items(mimic), ["itemid"])


def word_procedures(mimic: Mimic, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Their text and what questions ask about."""
    text = joined(pl.col("label"), (" for ", two_decimals(pl.col("duration")), " hour"), needs="label")
    return rows.join(_icu_items(mimic), on="itemid", how="left").with_columns(text=text)


def _icu_items(mimic: Mimic) -> pl.LazyFrame:
    def named() -> pl.LazyFrame:
        return mimic.scan("d_items", ["itemid", "label"]).filter(pl.col("label").is_not_null()).unique("itemid")

    return mimic.once("ICU items", named)
