"""A release's tables reduced to what EHR-Bench needs and laid aside in portions of patients, each in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import polars.selectors as cs

from ehrbench.mimic.schema import TABLES, Table
from ehrbench.mimic.stretches import Staged, lay_aside
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.layout import SOURCES, Source
from ehrbench.suites.ehr_bench.build.lookups import add_lookup, join_to, lookup_columns, text_rows
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.merge import RAW
from ehrbench.suites.ehr_bench.build.pandas_text import inferred_kinds, printed
from ehrbench.suites.ehr_bench.build.profile import BuildProfile

PORTION = 500
"""Patients that are held at a time."""
KEY = "key "
"""Begins the names of columns that tell a table's rows apart: its key, or a hash of all columns where it has none."""
_CODES = frozenset({"icd_code", "ndc"})
_DATES: Mapping[str, str] = {"microbiologyevents": "chartdate", "hcpcsevents": "chartdate"}
"""The date of rows that may have no time."""


def stage_tables(
    mimic: Mimic,
    folder: Path,
    profile: BuildProfile,
    maps: Maps,
    progress: Callable[[str], None] = lambda _: None,
    *,
    raw: bool = False,
    size: int = PORTION,
) -> dict[str, Staged]:
    """Lay every event table of the release aside, in portions of ``size`` patients; without rows of patients that it lacks.

    A table is read once. What pandas would make of a column depends on all its values, so they are printed once they are all
    there, from what was laid aside.

    Columns: ``subject, hadm``, ``time`` (what orders the row) and ``at`` (what an event has as its time), in seconds since 1970,
    and the shown values, labels and facts; times among the facts are seconds, too. With ``raw`` also every column of the
    release's as pandas would print it.

    A portion's rows stand by patient, and those of one by their place in the file. In the clean profile they stand by the table's
    key, or by its columns where it has none, and a row that a table has twice stands once.

    Returns:
        The rows by table, in the order of the merge; tables that the release lacks are left out.
    """
    patients = mimic.scan("patients", ["subject_id"]).select(subject="subject_id").drop_nulls().unique().sort("subject")
    subjects = mimic.collect(patients)
    firsts = subjects["subject"].gather_every(size).to_list() or [0]
    stage = {}
    for source in SOURCES.values():
        if not mimic.has(source.name) or (source.time or "").startswith("stay.") and not mimic.has("edstays"):
            continue
        if not profile.duplicate_untimed and source.name == "hcpcsevents" or profile.clean and source.name == "drgcodes":
            continue
        progress(f"reading {source.name}")
        staged = lay_aside(mimic, _reduced(mimic, source, profile, maps, raw), folder / source.name, "subject", firsts)
        stage[source.name] = _in_order(staged, subjects, source, profile)
    return stage


def _in_order(staged: Staged, subjects: pl.DataFrame, source: Source, profile: BuildProfile) -> Staged:
    """Leave the patients' rows of every portion, printed, in the order in which they are read from now on."""
    repeated = 0
    texts = [name for name in staged.empty.columns if name in source.plain or name.startswith(RAW)]
    codes = [f"{RAW}{name}" for name in _CODES] if profile.text_codes else []
    # A column with a text in it stays one: most are found in the first portion, and the others alone are looked through.
    kinds = inferred_kinds(staged.stretch(0), [name for name in texts if name not in codes])
    kinds = inferred_kinds(staged.scan(), [name for name, kind in kinds.items() if kind != "text"])
    values = [printed(pl.col(name), kind).alias(name) for name, kind in kinds.items()]
    for portion in range(len(staged.firsts)):
        rows = staged.stretch(portion).with_columns(values).collect().join(subjects, on="subject", how="semi")
        if staged.files(portion):
            ordered = _each_once(rows.drop("row")) if profile.clean else rows.sort("subject", "row")
            staged.replace(portion, ordered.drop(cs.starts_with("row", KEY)))
            repeated += rows.height - ordered.height
    return replace(staged, empty=staged.empty.drop(cs.starts_with("row", KEY)), repeated=repeated)


def _each_once(rows: pl.DataFrame) -> pl.DataFrame:
    """A table's rows each once, in an order that does not depend on how they lie in a file."""
    keys = [name for name in rows.columns if name.startswith(KEY)]
    if rows.select("subject", *keys).hash_rows().n_unique() < rows.height:  # looking for the rows themselves takes longer
        rows = rows.unique()
    if keys == [f"{KEY}hash"]:
        # By what is shown, then by the raw values; the hash depends on how a file writes a number.
        values = [name for name, dtype in rows.schema.items() if not (name.startswith(KEY) or dtype.is_nested())]
        keys = [*sorted(values, key=lambda name: name.startswith(RAW)), *keys]
    return rows.sort("subject", "time", *keys, nulls_last=True)


def _reduced(mimic: Mimic, source: Source, profile: BuildProfile, maps: Maps, raw: bool) -> pl.LazyFrame:
    table = TABLES[source.name]
    lookups = list(dict.fromkeys(c for _, c in (*source.shown, *source.tasks) if c.startswith("=") and c != "=none"))
    stay = source.time is not None and source.time.startswith("stay.")
    time = source.time if source.time and not stay else None
    dates = (_DATES[source.name],) if source.name in _DATES else ()
    owner = [c for c in ("subject_id", "hadm_id") if c in table.columns] + (["stay_id"] if stay else [])
    needed = [*owner, *source.columns, *dates, *((time,) if time else ()), *(c for n in lookups for c in lookup_columns(n))]
    everything = mimic.columns(source.name)
    whole = everything if raw else []
    identity = (table.key or everything) if profile.clean else []
    rows = text_rows(mimic, source.name, list(dict.fromkeys([*needed, *whole, *identity]))).with_row_index("row")
    rows = rows.with_columns(pl.col(c).alias(f"{RAW}{c}") for c in whole)
    for name in lookups:
        rows = add_lookup(rows, name, source.name, mimic, maps, profile)
    if stay and source.time:
        column = source.time.removeprefix("stay.")
        stays = text_rows(mimic, "edstays", ["stay_id", column]).unique("stay_id", keep="last", maintain_order=True)
        rows = join_to(rows, stays.rename({column: "stay time"}), ["stay_id"])
        when = _seconds("stay time", dated=False) + (1 if source.name == "triage" else 0)
    else:
        when = _seconds(time, table.columns[time] == "date") if time else pl.lit(None, dtype=pl.Int64)
    dated = pl.coalesce(when, *(_seconds(c, dated=True) for c in dates))
    # The released procedure orders no row by its date, and gives a date to the events of hcpcsevents alone.
    order, at = (when, dated if source.name == "hcpcsevents" else when) if profile.duplicate_untimed else (dated, dated)
    return rows.select(
        pl.col("subject_id").cast(pl.Int64).alias("subject"),
        (_number("hadm_id") if "hadm_id" in table.columns else pl.lit(None, dtype=pl.Int64)).alias("hadm"),
        pl.col("row").cast(pl.Int64),
        order.alias("time"),
        at.alias("at"),
        *source.plain,
        *lookups,
        *(_fact(c, source).alias(c) for c in source.facts),
        *(f"{RAW}{c}" for c in whole),
        *(_key(table, identity) if profile.clean else ()),
    )


def _key(table: Table, identity: Sequence[str]) -> list[pl.Expr]:
    if not table.key:
        return [pl.struct(identity).hash().alias(f"{KEY}hash")]
    return [(_number(c) if table.columns[c] == "int" else pl.col(c)).alias(f"{KEY}{c}") for c in identity]


def _fact(column: str, source: Source) -> pl.Expr:
    kind = TABLES[source.name].columns[column]
    return _seconds(column, kind == "date") if kind in ("time", "date") else _number(column)


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64).cast(pl.Int64)


def _seconds(column: str, dated: bool) -> pl.Expr:
    text = pl.col(column)
    if dated:
        return text.str.head(10).str.to_date("%Y-%m-%d").cast(pl.Datetime("ms")).dt.epoch("s")
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms").dt.epoch("s")
