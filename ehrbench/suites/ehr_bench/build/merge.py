"""A patient's rows of all tables in one order, and runs of rows of one table as events (protocol page, 6.2 and 6.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from ehrbench.suites.ehr_bench.build.layout import MODULES, NUMBER, SOURCES
from ehrbench.suites.ehr_bench.build.profile import BuildProfile

LONGEST_GAP = 3600
"""Seconds between two rows of an event in the clean profile."""
RAW = "raw "
"""Begins the names of staged columns of raw values."""
KEY = "key "
"""Begins the names of staged columns that tell a table's rows apart."""
_UNTIMED = ("patients", "diagnoses_icd", "drgcodes")
_LAST = 1 << 40
Columns = Mapping[str, Mapping[str, Sequence[Any]]]


@dataclass(frozen=True)
class Event:
    """Consecutive rows of one table."""

    table: str
    start: int | None
    """Seconds since 1970: the time of its first row that has one."""
    end: int | None
    """The latest time of its rows."""
    hadm: int | None
    """Its first row's."""
    rows: Sequence[int]
    """Places in the portion's columns."""


@dataclass(frozen=True)
class Patient:
    """One patient's events; the first is the ``patients`` row."""

    subject: int
    events: Sequence[Event]
    columns: Columns
    """Values by table and column, of all patients of a portion."""

    def values(self, event: Event, column: str) -> list[Any]:
        """A column over an event's rows."""
        values = self.columns[event.table][column]
        return [values[row] for row in event.rows]

    def fact(self, event: Event, column: str) -> Any:
        """A column of an event's first row."""
        return self.columns[event.table][column][event.rows[0]]


def portions(stage: Mapping[str, Path], size: int) -> Iterator[tuple[int, int]]:
    """First and last patient of portions of about ``size`` patients, in order."""
    subjects = pl.scan_parquet(stage["patients"]).select("subject").unique().sort("subject").collect()["subject"].to_list()
    for first in range(0, len(subjects), size):
        yield subjects[first], subjects[min(first + size, len(subjects)) - 1]


def load_patients(
    stage: Mapping[str, Path],
    first: int,
    last: int,
    profile: BuildProfile,
    *,
    raw: bool = False,
    repeated: Counter[str] | None = None,
) -> Iterator[Patient]:
    """The patients of a portion, by number; those without a ``patients`` row are left out.

    Rows of one time stand as they lie in the file. In the clean profile they stand by the table's key, or by its columns where it
    has none, and a row that a table has twice stands once.

    Args:
        stage: what ``stage_tables`` wrote.
        first: patient.
        last: patient.
        profile: how rows are ordered and joined.
        raw: with the raw values that were staged.
        repeated: counts the rows that were left out because their table has them twice, by table.
    """
    frames = {}
    for table, path in stage.items():
        staged = pl.scan_parquet(path) if raw else pl.scan_parquet(path).select(~cs.starts_with(RAW))
        rows = staged.filter(pl.col("subject").is_between(first, last)).collect()
        in_order = _each_once(rows) if profile.clean else rows.sort("subject", "row")
        if repeated is not None and in_order.height < rows.height:
            repeated[table] += rows.height - in_order.height
        frames[table] = in_order.drop(cs.starts_with("row", KEY)).with_row_index("place")
    narrow = pl.concat(
        [
            rows.select("subject", "hadm", "time", "at", pl.col("place").cast(pl.Int64), table=pl.lit(NUMBER[table]))
            for table, rows in frames.items()
        ]
    )
    events = _events(_ordered(narrow, profile), profile)
    known = set(frames["patients"]["subject"].to_list())
    columns = {table: rows.drop("subject", "hadm", "time", "at", "place").to_dict() for table, rows in frames.items()}
    lists = {table: {name: series.to_list() for name, series in found.items()} for table, found in columns.items()}
    names = list(SOURCES)
    for subject, found in groupby(events.iter_rows(), key=itemgetter(0)):
        if subject in known:
            yield Patient(subject, [Event(names[table], *rest) for _, table, *rest in found], lists)


def _each_once(rows: pl.DataFrame) -> pl.DataFrame:
    """A table's rows each once, in an order that does not depend on how they lie in a file."""
    once = rows.drop("row").unique()
    keys = [name for name in once.columns if name.startswith(KEY)]
    if keys == [f"{KEY}hash"]:
        # By what is shown, then by the raw values; the hash depends on how a file writes a number.
        values = [name for name, dtype in once.schema.items() if not (name.startswith(KEY) or dtype.is_nested())]
        keys = [*sorted(values, key=lambda name: name.startswith(RAW)), *keys]
    return once.sort("subject", "time", *keys, nulls_last=True)


def _ordered(rows: pl.DataFrame, profile: BuildProfile) -> pl.DataFrame:
    """Rows in order: by time, then module, table and place; the untimed as the profile wants them."""
    special = pl.col("table").is_in([NUMBER[name] for name in _UNTIMED])
    body = rows.filter(~special)
    timed = body.filter(pl.col("time").is_not_null()).sort("subject", "time", "table", "place")
    nth = pl.int_range(pl.len()).over("subject")
    parts = [timed.with_columns(phase=pl.when(nth == 0).then(1).otherwise(3).cast(pl.Int64), key=nth.cast(pl.Int64))]
    if profile.duplicate_untimed:
        parts += _copies(body.filter(pl.col("time").is_null()), parts[0].columns)
    placed = pl.concat(parts).sort("subject", "phase", "key", maintain_order=True).drop("phase", "key")
    placed = placed.with_columns(spot=pl.int_range(pl.len(), dtype=pl.Int64).over("subject"), after=pl.lit(0, dtype=pl.Int64))
    last = placed.filter(pl.col("hadm").is_not_null()).group_by("subject", "hadm").agg(pl.col("spot").max())
    ends = []
    for after, table in ((1, "diagnoses_icd"), (2, "drgcodes")):
        billed = rows.filter(pl.col("table") == NUMBER[table]).join(last, on=["subject", "hadm"], how="left")
        ends.append(billed.with_columns(pl.col("spot").fill_null(_LAST), after=pl.lit(after, dtype=pl.Int64)))
    head = rows.filter(pl.col("table") == NUMBER["patients"]).with_columns(
        spot=pl.lit(-1, dtype=pl.Int64), after=pl.lit(0, dtype=pl.Int64)
    )
    order = placed.columns
    everything = pl.concat([frame.select(order) for frame in (head, placed, *ends)])
    return everything.sort("subject", "spot", "after", "hadm", "place", maintain_order=True)


def _copies(untimed: pl.DataFrame, order: list[str]) -> list[pl.DataFrame]:
    """Both sort passes put every untimed row behind the first timed one, the next before the last, and again at the end.

    So one module's pass leaves its rows backwards and then forwards, and the pass over all modules that, backwards and forwards.
    """
    modules = pl.DataFrame(
        {"table": list(NUMBER.values()), "module": [MODULES.index(SOURCES[name].module) for name in NUMBER]},
        schema={"table": pl.Int32, "module": pl.Int64},
    )
    nth = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    rows = untimed.join(modules, on="table", how="left").sort("subject", "table", "place").with_columns(nth=nth)
    once = pl.concat([rows.with_columns(nth=-nth), rows]).sort("subject", "module", "nth").with_columns(nth=nth)
    front = once.with_columns(phase=pl.lit(2, dtype=pl.Int64), key=-pl.col("nth"))
    back = once.with_columns(phase=pl.lit(4, dtype=pl.Int64), key=pl.col("nth"))
    return [front.select(order), back.select(order)]


def _events(rows: pl.DataFrame, profile: BuildProfile) -> pl.DataFrame:
    new = (pl.col("subject") != pl.col("subject").shift()) | (pl.col("table") != pl.col("table").shift())
    if profile.clean:
        new |= pl.col("hadm").ne_missing(pl.col("hadm").shift())
        new |= ((pl.col("at") - pl.col("at").shift()) > LONGEST_GAP).fill_null(False)
    numbered = rows.with_columns(event=new.fill_null(True).cast(pl.Int64).cum_sum())
    found = numbered.group_by("event", maintain_order=True).agg(
        pl.col("subject", "table").first(),
        pl.col("at").drop_nulls().first().alias("start"),
        pl.col("at").max().alias("end"),
        pl.col("hadm").first(),
        pl.col("place"),
    )
    return found.drop("event")
