"""A patient's rows of all tables in one order, and runs of rows of one table as events (protocol page, 6.2 and 6.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl
import polars.selectors as cs

from ehrbench.mimic.stretches import Staged
from ehrbench.suites.ehr_bench.build.layout import MODULES, NUMBER, SOURCES
from ehrbench.suites.ehr_bench.build.profile import BuildProfile

LONGEST_GAP = 3600
"""Seconds between two rows of an event in the clean profile."""
RAW = "raw "
"""Begins the names of staged columns of raw values."""
_UNTIMED = ("patients", "diagnoses_icd", "drgcodes")
_LAST = 1 << 40
Columns = Mapping[str, Mapping[str, Sequence[Any]]]


class Event(NamedTuple):
    """Consecutive rows of one table."""

    table: str
    start: int | None
    """Seconds since 1970: the time of its first row that has one."""
    end: int | None
    """The latest time of its rows."""
    hadm: int | None
    """Its first row's."""
    rows: Sequence[int]
    """Places in the patient's columns."""


@dataclass(frozen=True)
class Patient:
    """One patient's events; the first is the ``patients`` row."""

    subject: int
    events: Sequence[Event]
    columns: Columns
    """Values by table and column; of every table that the release has, though it be empty."""

    def values(self, event: Event, column: str) -> list[Any]:
        """A column over an event's rows."""
        values = self.columns[event.table][column]
        return [values[row] for row in event.rows]

    def fact(self, event: Event, column: str) -> Any:
        """A column of an event's first row."""
        return self.columns[event.table][column][event.rows[0]]


def events_of(
    stage: Mapping[str, Staged], portion: int, profile: BuildProfile, subjects: Sequence[int] | None = None
) -> pl.DataFrame:
    """The events of a portion's patients, or of some: ``subject, table, start, end, hadm`` and ``place``, those of its rows.

    Args:
        stage: what ``stage_tables`` has laid aside.
        portion: which.
        profile: how rows are ordered and joined.
        subjects: whose; default: all in the portion.
    """
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("subject")
    narrow = [
        _portion(staged, portion, subjects).select("subject", "hadm", "time", "at", place=place, table=pl.lit(NUMBER[table]))
        for table, staged in stage.items()
    ]
    return _events(_ordered(pl.concat(pl.collect_all(narrow)), profile), profile)


def load_patients(
    stage: Mapping[str, Staged], portion: int, events: pl.DataFrame, *, shown: bool = True, raw: bool = False
) -> Iterator[Patient]:
    """Patients of a portion, by number.

    Args:
        stage: as for ``events_of``, like the next.
        portion: which.
        events: what ``events_of`` gives, of all patients or of those who are wanted.
        shown: with the values that contexts show; else with labels and facts alone.
        raw: with the raw values that were staged.
    """
    wanted = events["subject"].unique().to_list()
    columns: dict[str, dict[str, list[Any]]] = {}
    spans: dict[str, dict[int, tuple[int, int]]] = {}
    for table, staged in stage.items():
        kinds = cs.all() if shown else cs.by_name("subject", SOURCES[table].answers)
        rows = _portion(staged, portion, wanted).select(kinds if raw else kinds - cs.starts_with(RAW)).collect()
        runs = rows["subject"].rle().struct.unnest().with_columns(end=pl.col("len").cum_sum())
        spans[table] = {subject: (end - length, end) for length, subject, end in runs.iter_rows()}
        columns[table] = {name: rows[name].to_list() for name in rows.columns if name not in ("subject", "hadm", "time", "at")}
    names = list(SOURCES)
    for subject, found in groupby(events.iter_rows(), key=itemgetter(0)):
        own = {}
        for table, values in columns.items():
            begin, end = spans[table].get(subject, (0, 0))
            own[table] = {name: column[begin:end] for name, column in values.items()}
        merged = [Event(names[table], start, end, hadm, places) for _, table, start, end, hadm, places in found]
        yield Patient(subject, merged, own)


def _portion(staged: Staged, portion: int, subjects: Sequence[int] | None) -> pl.LazyFrame:
    rows = staged.stretch(portion)
    if subjects is None:
        return rows
    # A filter would be pushed down into the file, batch by batch, which takes three times as long.
    wanted = pl.LazyFrame({"subject": subjects}, schema={"subject": pl.Int64()})
    return rows.join(wanted, on="subject", how="semi", maintain_order="left")


def _ordered(rows: pl.DataFrame, profile: BuildProfile) -> pl.DataFrame:
    """Rows in order: by time, then module, table and place; the untimed as the profile wants them.

    ``rows`` stand by table and, of one patient, by place: sorts that keep the order of equals need not compare these.
    """
    special = pl.col("table").is_in([NUMBER[name] for name in _UNTIMED])
    body = rows.filter(~special)
    placed = body.filter(pl.col("time").is_not_null()).sort("subject", "time", maintain_order=True)
    if profile.duplicate_untimed:
        nth = pl.int_range(pl.len(), dtype=pl.Int64).over("subject")
        timed = placed.with_columns(phase=pl.when(nth == 0).then(1).otherwise(3).cast(pl.Int64), key=nth)
        copies = _copies(body.filter(pl.col("time").is_null()), timed.columns)
        placed = pl.concat([timed, *copies]).sort("subject", "phase", "key", maintain_order=True).drop("phase", "key")
    placed = placed.with_columns(spot=pl.int_range(pl.len(), dtype=pl.Int64).over("subject"), after=pl.lit(0, dtype=pl.Int64))
    last = placed.filter(pl.col("hadm").is_not_null()).group_by("subject", "hadm").agg(pl.col("spot").max())
    ends = []
    for after, table in ((1, "diagnoses_icd"), (2, "drgcodes")):
        billed = rows.filter(pl.col("table") == NUMBER[table]).sort("hadm", maintain_order=True)
        billed = billed.join(last, on=["subject", "hadm"], how="left", maintain_order="left")
        ends.append(billed.with_columns(pl.col("spot").fill_null(_LAST), after=pl.lit(after, dtype=pl.Int64)))
    head = rows.filter(pl.col("table") == NUMBER["patients"]).with_columns(
        spot=pl.lit(-1, dtype=pl.Int64), after=pl.lit(0, dtype=pl.Int64)
    )
    order = placed.columns
    everything = pl.concat([frame.select(order) for frame in (head, placed, *ends)])
    return everything.sort("subject", "spot", "after", maintain_order=True)


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
