"""MIMIC-IV rows as timed, worded events (protocol page, section 2.2).

Every event has ``hadm_id``, ``at_us`` (microseconds since hospital admission; negative before it), ``available_us`` (when it was
stored) and ``text``; beside them stand the columns that questions ask about. A row whose item is not in the release's own
dictionary has no text; such rows are counted and left out by the caller.

Order among rows of one time is that of the full release's files (its row ids), then of the text, so it never depends on how the
rows lie in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ehrbench.mimic.cohort import Cohort, hours
from ehrbench.mimic.tables import Mimic

if TYPE_CHECKING:
    import polars as pl

Profile = Literal["paper", "released"]

MASK = "___"
"""What PhysioNet writes over removed text."""
NO_UNIT = "N/A"
"""A unit of labevents that the released files do not show: their reader took it for a missing value."""


@dataclass(frozen=True)
class EventTable:
    """How one event type is made."""

    sources: tuple[str, ...]
    """The MIMIC-IV tables it needs."""
    rows: Callable[[Mimic, pl.LazyFrame], pl.LazyFrame]
    """Arguments: the release, and the cohort's ``hadm_id, stay_id, subject_id, admit, los_us``."""
    order: tuple[str, ...] = ()
    """Sorted by ``hadm_id``, ``at_us``, then these, then ``text``."""


def event_rows(mimic: Mimic, cohort: Cohort, event_type: str) -> pl.LazyFrame:
    """Every event of one type in a cohort, in no promised order."""
    import polars as pl

    columns = ["hadm_id", "stay_id", "subject_id", pl.col("hadm_intime").alias("admit"), "los_us"]
    if event_type == "admission_info" and "chief_complaint" in cohort.admissions.columns:
        columns.append("chief_complaint")
    rows = EVENT_TABLES[event_type].rows(mimic, cohort.admissions.lazy().select(columns))
    return rows.drop("admit", "los_us", "stay_id", "subject_id", strict=False)


def sort_events(rows: pl.DataFrame, event_type: str) -> pl.DataFrame:
    """Rows of one type in the order of the lists: by admission and time, ties as the release has them."""
    return rows.sort(["hadm_id", "at_us", *EVENT_TABLES[event_type].order, "text"], nulls_last=True, maintain_order=True)


def two_decimals(value: pl.Expr) -> pl.Expr:
    """Numbers as Python's ``format(x, ".2f")`` writes them."""
    import polars as pl

    def write(numbers: pl.Series) -> pl.Series:
        return pl.Series(numbers.name, [None if x is None else f"{x:.2f}" for x in numbers.to_list()], dtype=pl.String)

    return value.map_batches(write, return_dtype=pl.String, is_elementwise=True)


def _text(*parts: str | pl.Expr | tuple[str | pl.Expr, ...], needs: str | None = None) -> pl.Expr:
    """Join parts; a tuple is left out whole where a value in it is missing; all is missing where ``needs`` is."""
    import polars as pl

    def whole(part: str | pl.Expr) -> pl.Expr:
        return pl.lit(part) if isinstance(part, str) else part

    pieces = [pl.concat_str([whole(p) for p in part]) if isinstance(part, tuple) else whole(part) for part in parts]
    joined = pl.concat_str(pieces, ignore_nulls=True)
    return joined if needs is None else pl.when(pl.col(needs).is_not_null()).then(joined)


def _since_admission(column: str) -> pl.Expr:
    import polars as pl

    return (pl.col(column) - pl.col("admit")).dt.total_microseconds()


def _demographics(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    patients = mimic.scan("patients", ["subject_id", "gender", "anchor_age", "anchor_year"]).unique("subject_id")
    stays = mimic.scan("admissions", ["hadm_id", "race", "marital_status", "insurance"]).unique("hadm_id")
    rows = admissions.join(stays, on="hadm_id", how="left").join(patients, on="subject_id", how="left")
    age = (pl.col("admit").dt.year() - pl.col("anchor_year") + pl.col("anchor_age")).cast(pl.Int64)
    parts = {"gender": "gender", "age": "age", "race": "race", "marital status": "marital_status", "insurance": "insurance"}
    text = pl.concat_str(
        [pl.concat_str(pl.lit(f"{label}: "), pl.col(c).cast(pl.String)) for label, c in parts.items()],
        separator=", ",
        ignore_nulls=True,
    )
    return rows.with_columns(age=age).with_columns(text=text, at_us=pl.lit(0, pl.Int64), available_us=pl.lit(0, pl.Int64))


def _admission_info(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    stays = mimic.scan("admissions", ["hadm_id", "admission_type", "admission_location"]).unique("hadm_id")
    rows = admissions.join(stays, on="hadm_id", how="left")
    if "chief_complaint" in rows.collect_schema():
        pass  # the cohort has brought the triage's
    elif mimic.has("discharge"):
        rows = rows.join(_chief_complaints(mimic), on="hadm_id", how="left")
    else:
        rows = rows.with_columns(chief_complaint=pl.lit(None, pl.String))
    parts = {"type": "admission_type", "location": "admission_location", "chief complaint": "chief_complaint"}
    text = pl.concat_str(
        [pl.concat_str(pl.lit(f"{label}: "), c) for label, c in parts.items()], separator=", ", ignore_nulls=True
    )
    return rows.with_columns(text=text, at_us=pl.lit(0, pl.Int64), available_us=pl.lit(0, pl.Int64))


def _chief_complaints(mimic: Mimic) -> pl.LazyFrame:
    """The line that follows "Chief Complaint:" in each discharge summary."""
    import polars as pl

    found = pl.col("text").str.extract(r"(?:Chief|___) Complaint:\s*([^\n]+)", 1).str.strip_chars()
    return (
        mimic.scan("discharge", ["hadm_id", "note_id", "text"])
        .select("hadm_id", "note_id", chief_complaint=found)
        .filter(pl.col("chief_complaint").str.len_chars() > 0)
        .sort("hadm_id", "note_id")
        .unique("hadm_id", keep="first")
        .drop("note_id")
    )


def _diagnoses(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    code = pl.col("icd_code").str.strip_chars()
    titles = mimic.scan("d_icd_diagnoses").with_columns(code).unique(["icd_code", "icd_version"])
    rows = mimic.scan("diagnoses_icd", ["hadm_id", "seq_num", "icd_code", "icd_version"]).with_columns(code)
    return (
        rows.join(admissions, on="hadm_id")
        .join(titles, on=["icd_code", "icd_version"], how="left")
        .with_columns(
            text=_text("Billed diagnosis: ", pl.col("long_title"), needs="long_title"), at_us="los_us", available_us="los_us"
        )
    )


def _labevents(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    columns = [
        "hadm_id",
        "labevent_id",
        "specimen_id",
        "itemid",
        "charttime",
        "storetime",
        "value",
        "valuenum",
        "valueuom",
        "flag",
    ]
    shown = pl.col("value").replace(MASK, None)
    repaired = pl.coalesce(shown, two_decimals(pl.when(shown.is_null()).then(pl.col("valuenum"))))
    number = pl.col("value").str.strip_chars().cast(pl.Float64, strict=False)
    return (
        mimic.scan("labevents", columns)
        .join(admissions, on="hadm_id")
        .filter(pl.col("storetime").is_not_null() & pl.col("charttime").is_not_null())
        .with_columns(value=repaired, unit=pl.col("valueuom").replace(NO_UNIT, None), normal=pl.col("flag").is_null())
        .filter(pl.col("value").is_not_null())
        .join(mimic.scan("d_labitems").unique("itemid"), on="itemid", how="left")
        .with_columns(
            item=_text(pl.col("fluid"), " ", pl.col("label"), " ", pl.col("category"), needs="label"),
            quantity=_text(pl.col("value"), (" ", pl.col("unit"))),
            number=pl.when(number.is_finite()).then(number),
            at_us=_since_admission("charttime"),
            available_us=_since_admission("storetime"),
        )
        .with_columns(
            text=_text(
                pl.col("item"),
                ": ",
                pl.col("quantity"),
                pl.when("normal").then(pl.lit(" (normal)")).otherwise(pl.lit(" (abnormal)")),
                needs="item",
            )
        )
        .drop("valuenum", "valueuom", "flag", "charttime", "storetime", "itemid")
    )


def _microbiology(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    columns = [
        "hadm_id",
        "microevent_id",
        "charttime",
        "storetime",
        "spec_itemid",
        "spec_type_desc",
        "test_name",
        "org_name",
        "ab_name",
    ]
    words = {"S": "sensitive", "R": "resistant", "I": "intermediate"}
    return (
        mimic.scan("microbiologyevents", [*columns, "interpretation", "comments"])
        .join(admissions, on="hadm_id")
        .filter(pl.col("storetime").is_not_null() & pl.col("charttime").is_not_null())
        .with_columns(
            interpretation=pl.col("interpretation").replace(words),
            at_us=_since_admission("charttime"),
            available_us=_since_admission("storetime"),
        )
        .with_columns(
            text=_text(
                pl.col("test_name"),
                (" on ", pl.col("spec_type_desc")),
                (", organism grew: ", pl.col("org_name")),
                (", antibiotic tested: ", pl.col("ab_name")),
                (", antibiotic sensitivity: ", pl.col("interpretation")),
                (", comments: ", pl.col("comments")),
                needs="test_name",
            )
        )
        .drop("charttime", "storetime", "comments")
    )


def _prescriptions(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    columns = [
        "hadm_id",
        "pharmacy_id",
        "starttime",
        "stoptime",
        "drug_type",
        "drug",
        "prod_strength",
        "dose_val_rx",
        "dose_unit_rx",
        "route",
    ]
    return (
        mimic.scan("prescriptions", columns)
        .join(admissions, on="hadm_id")
        .filter(pl.col("stoptime") > pl.col("starttime"))
        .with_columns(
            duration=_duration("starttime", "stoptime"),
            dose=_text(pl.col("dose_val_rx"), (" ", pl.col("dose_unit_rx")), needs="dose_val_rx"),
            at_us=_since_admission("starttime"),
            available_us=_since_admission("starttime"),
        )
        .with_columns(
            text=_text(
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
        )
        .drop("starttime", "stoptime")
    )


def _transfers(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    return (
        mimic.scan("transfers", ["hadm_id", "transfer_id", "eventtype", "careunit", "intime"])
        .join(admissions, on="hadm_id")
        .filter(pl.col("intime").is_not_null())
        .with_columns(
            eventtype=pl.col("eventtype").replace("ED", "admit"),
            leaves=pl.col("eventtype").eq("discharge").fill_null(False),
            at_us=_since_admission("intime"),
            available_us=_since_admission("intime"),
        )
        .with_columns(careunit=pl.when(~pl.col("leaves")).then("careunit"))
        .with_columns(text=_text(pl.col("eventtype"), (" to ", pl.col("careunit")), needs="eventtype"))
        .drop("intime")
    )


def _inputs(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    columns = ["hadm_id", "stay_id", "starttime", "endtime", "itemid", "amount", "amountuom", "orderid", "linkorderid"]
    return (
        _of_the_stay(mimic, "inputevents", columns, admissions)
        .filter(pl.col("endtime") > pl.col("starttime"))
        .with_columns(
            duration=_duration("starttime", "endtime"),
            unit="amountuom",
            quantity=_text(two_decimals(pl.col("amount")), (" ", pl.col("amountuom")), needs="amount"),
            at_us=_since_admission("starttime"),
            available_us=_since_admission("starttime"),
        )
        .with_columns(
            text=_text(
                pl.col("label"), (" ", pl.col("quantity")), " for ", two_decimals(pl.col("duration")), " hour", needs="label"
            )
        )
        .drop("starttime", "endtime", "amountuom")
    )


def _outputs(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    columns = ["hadm_id", "stay_id", "charttime", "itemid", "value", "valueuom"]
    return (
        _of_the_stay(mimic, "outputevents", columns, admissions)
        .filter(pl.col("charttime").is_not_null())
        .with_columns(
            unit="valueuom",
            quantity=_text(two_decimals(pl.col("value")), (" ", pl.col("valueuom")), needs="value"),
            at_us=_since_admission("charttime"),
            available_us=_since_admission("charttime"),
        )
        .with_columns(text=_text(pl.col("label"), (" ", pl.col("quantity")), needs="label"))
        .drop("charttime", "valueuom")
    )


def _procedures(mimic: Mimic, admissions: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    columns = ["hadm_id", "stay_id", "starttime", "endtime", "itemid", "orderid"]
    return (
        _of_the_stay(mimic, "procedureevents", columns, admissions)
        .filter(pl.col("starttime").is_not_null())
        .with_columns(
            duration=_duration("starttime", "endtime"),
            at_us=_since_admission("starttime"),
            available_us=_since_admission("starttime"),
        )
        .with_columns(text=_text(pl.col("label"), (" for ", two_decimals(pl.col("duration")), " hour"), needs="label"))
        .drop("starttime", "endtime")
    )


def _of_the_stay(mimic: Mimic, name: str, columns: list[str], admissions: pl.LazyFrame) -> pl.LazyFrame:
    labels = mimic.scan("d_items", ["itemid", "label"]).unique("itemid")
    return mimic.scan(name, columns).join(admissions, on=["hadm_id", "stay_id"]).join(labels, on="itemid", how="left")


def _duration(start: str, stop: str) -> pl.Expr:
    import polars as pl

    return hours((pl.col(stop) - pl.col(start)).dt.total_microseconds())


EVENT_TABLES: Mapping[str, EventTable] = {
    "patient_demographics": EventTable(("patients", "admissions"), _demographics),
    "admission_info": EventTable(("admissions",), _admission_info),
    "labevents": EventTable(("labevents", "d_labitems"), _labevents, ("specimen_id", "labevent_id")),
    "microbiologyevents": EventTable(("microbiologyevents",), _microbiology, ("spec_itemid", "microevent_id")),
    "prescriptions": EventTable(("prescriptions",), _prescriptions, ("pharmacy_id", "drug_type")),
    "transfers": EventTable(("transfers",), _transfers, ("leaves", "transfer_id")),
    "procedureevents": EventTable(("procedureevents", "d_items"), _procedures, ("orderid", "itemid")),
    "inputevents": EventTable(("inputevents", "d_items"), _inputs, ("linkorderid", "orderid", "itemid")),
    "outputevents": EventTable(("outputevents", "d_items"), _outputs, ("itemid",)),
    "diagnoses_icd": EventTable(("diagnoses_icd", "d_icd_diagnoses"), _diagnoses, ("seq_num",)),
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
