"""What codes and items are called: ICD and item titles from the release, CCS and ATC from files that the user names."""

from __future__ import annotations

import polars as pl

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.pandas_text import as_missing, inferred_kinds, printed
from ehrbench.suites.ehr_bench.build.profile import BuildProfile

LISTS = frozenset({"=exams"})
"""Looked-up columns with several names a row."""
_DICTIONARY = {"diagnoses_icd": "d_icd_diagnoses", "procedures_icd": "d_icd_procedures"}


def text_rows(mimic: Mimic, table: str, columns: list[str]) -> pl.LazyFrame:
    """A table's columns as text, missing values as pandas knows them null."""
    return mimic.scan(table, columns, as_text=True).select(as_missing(pl.col(c)).alias(c) for c in columns)


def radiology_details(mimic: Mimic, *, clean: bool) -> pl.LazyFrame:
    """``subject_id, note_id, field_name, field_value`` as text, as they lie in the file; ``clean``: each once, in order."""
    columns = ["subject_id", "note_id", "field_name", "field_value"]
    if not clean:
        return text_rows(mimic, "radiology_detail", columns)
    rows = text_rows(mimic, "radiology_detail", [*columns, "field_ordinal"]).unique()
    ordinal = pl.col("field_ordinal").cast(pl.Float64)
    return rows.sort("note_id", ordinal, "field_name", "field_value").select(columns)


def add_lookup(rows: pl.LazyFrame, name: str, table: str, mimic: Mimic, maps: Maps, profile: BuildProfile) -> pl.LazyFrame:
    """Add one looked-up column (``=item``, ``=icd``, ``=ccs``, ``=atc``, ``=exams``, ``=place``); null where there is no name.

    ``rows`` has the columns that ``lookup_columns`` names, as text.
    """
    nothing = pl.lit(None, dtype=pl.String).alias(name)
    text_codes = profile.text_codes
    if name == "=place":
        return rows.with_columns(pl.coalesce("careunit", "eventtype").alias(name))
    if name == "=item":
        items = text_rows(mimic, "d_labitems" if table == "labevents" else "d_items", ["itemid", "label"])
        return _join(rows, items, ["itemid"], "label", name)
    if name == "=icd":
        titles = text_rows(mimic, _DICTIONARY[table], ["icd_code", "icd_version", "long_title"])
        return _join(_codes(rows, text_codes), _codes(titles, text_codes), ["icd_code", "icd_version"], "long_title", name)
    if name == "=ccs" and (categories := maps.ccs_titles(table)) is not None:
        return _join(_codes(rows, text_codes), _codes(categories, text_codes), ["icd_code", "icd_version"], "long_title", name)
    if name == "=atc" and (named := maps.atc_names()) is not None:
        names = named.rename({"ndc_code": "ndc"})
        if text_codes:
            names = names.with_columns(pl.col("ndc").str.zfill(11))
        else:  # the released procedure reads the table's codes as numbers and pads only those of the rows (row 21)
            names = names.with_columns(printed(pl.col("ndc"), inferred_kinds(names, ["ndc"])["ndc"]))
        padded = rows.with_columns(pl.col("ndc").str.strip_suffix(".0").str.zfill(11))
        return _join(padded, names, ["ndc"], "atc_name", name)
    if name == "=exams" and mimic.has("radiology_detail"):
        detail = radiology_details(mimic, clean=profile.clean).with_row_index("nth")
        exams = detail.filter((pl.col("field_name") == "exam_name") & pl.col("field_value").is_not_null())
        lists = exams.sort("nth").group_by("note_id", maintain_order=True).agg(pl.col("field_value").alias(name))
        return join_to(rows, lists, ["note_id"])
    return rows.with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias(name) if name in LISTS else nothing)


def lookup_columns(name: str) -> tuple[str, ...]:
    """The columns of a table's rows that a looked-up value needs."""
    return {
        "=place": ("careunit", "eventtype"),
        "=item": ("itemid",),
        "=icd": ("icd_code", "icd_version"),
        "=ccs": ("icd_code", "icd_version"),
        "=atc": ("ndc",),
        "=exams": ("note_id",),
    }.get(name, ())


def _codes(rows: pl.LazyFrame, text_codes: bool) -> pl.LazyFrame:
    if text_codes:
        return rows.with_columns(pl.col("icd_code").str.strip_chars())
    return rows.with_columns(printed(pl.col("icd_code"), inferred_kinds(rows, ["icd_code"])["icd_code"]))


def _join(rows: pl.LazyFrame, names: pl.LazyFrame, keys: list[str], value: str, name: str) -> pl.LazyFrame:
    unique = names.select(*keys, pl.col(value).alias(name)).unique(keys, keep="last", maintain_order=True)
    return join_to(rows, unique, keys)


def join_to(rows: pl.LazyFrame, names: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    """Add the columns of a smaller table, holding that table alone.

    In no order, polars would hold up to ten million rows of the larger one before it chose which of the two to hold.
    """
    return rows.join(names, on=keys, how="left", maintain_order="left")
