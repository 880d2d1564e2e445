"""MEDS events as lines a person can read: what happened, its value and unit, and its modifiers.

    2180-05-06 22:23, LAB RESULT: Hematocrit [Volume Fraction] of Body fluid [51115] = 35 %
    2180-05-06 22:30, MEDICATION START: Heparin [63323026201]; route IV; frequency Q8H

A text of several lines stands below its event, each line behind a bar, so that none can be taken for an event. A modifier that
tells a later time is an event of its own at that time, so that a record which stops before it does not tell it:

    2180-05-07 10:00, INFUSION: Heparin; end, of 2180-05-06 22:30
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from ehrbench.readers.meds.codes import Meaning
from ehrbench.readers.times import day_end, moment
from ehrbench.records import Entry, Record

MODIFIERS = (
    "unit",
    "units",
    "route",
    "frequency",
    "dose",
    "doses_per_24_hrs",
    "status",
    "statusdescription",
    "ordercategorydescription",
    "drg_severity",
    "drg_mortality",
    "end",
    "end_time",
)
"""Columns that are shown where the data set's own metadata do not name its modifiers (``code_modifier_columns``)."""
BIRTHS = ("MEDS_BIRTH", "SNOMED/3950001", "SNOMED/184099003")
"""Codes of birth: MEDS's own, and those of conversions from OMOP that were made before it had one."""
_UNITS = ("unit", "units")
_ENDS = ("end", "end_time")
_DAY = r"(\d{4}-\d{2}-\d{2})"
"""In a text that is not a time as a whole: what it may tell is then taken to come at the end of that day."""
_LONG = 200
"""Characters of a text that may stand in an event's line."""
_BAR = "    | "
_BREAKS = "[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]"
"""Whatever ``str.splitlines`` takes for the end of a line."""
_WORDS = {"statusdescription": "status", "ordercategorydescription": "category", "doses_per_24_hrs": "doses per 24 h"}


class Lines(NamedTuple):
    """The events of one subject as text, oldest first, and who the subject is."""

    text: str
    entries: Sequence[Entry]
    born: datetime | None
    facts: Sequence[str]
    """What is true at any time, a fact in each."""

    def record(self, record_id: str, until: datetime | None) -> Record:
        """The record as it was known at a time.

        Args:
            record_id: the record's id.
            until: the time; events after it are left out. None: all there are.
        """
        n = len(self.entries)
        if until is not None:
            n = _after(self.entries, until)
        entries = self.entries[:n]
        now = until if until is not None else (entries[-1].time if entries else None)
        lines = ["Patient" + (f" at {_clock(now)}" if now else "")]
        if self.born is not None:
            lines.append(
                f"BORN: {_clock(self.born).removesuffix(' 00:00')}"
                + (f" (age {age(self.born, now)})" if now and now >= self.born else "")
            )
        lines += self.facts
        return Record(record_id, self.text[: entries[-1].end] if entries else "", entries, "\n".join(lines) + "\n\n")


def _after(entries: Sequence[Entry], until: datetime) -> int:
    """How many entries are not after a time."""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        time = entries[middle].time
        if time is not None and time > until:
            high = middle
        else:
            low = middle + 1
    return low


def _clock(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}" + (f":{time:%S}" if time.second else "")


def age(born: datetime, now: datetime) -> str:
    """An age in the words of a chart: years from two on, months from two on, else days."""
    months = (now.year - born.year) * 12 + now.month - born.month - ((now.day, now.time()) < (born.day, born.time()))
    if months >= 24:
        return f"{months // 12} years"
    return f"{months} months" if months >= 2 else f"{(now - born).days} days"


def render(rows: pl.DataFrame, meanings: Mapping[str, Meaning], modifiers: Sequence[str]) -> dict[int, Lines]:
    """The lines of each subject.

    Args:
        rows: events with ``subject_id``, ``time`` (without a zone), ``code`` (text) and, perhaps, ``numeric_value``,
            ``text_value`` and modifiers.
        meanings: what each of the codes says.
        modifiers: columns of ``rows`` to show, in this order.
    """
    rows = _with_later_times(rows, modifiers).sort("subject_id", "time", nulls_last=False, maintain_order=True)
    codes = rows["code"].unique().to_list()
    told = pl.DataFrame(
        {
            "code": codes,
            "head": [meanings[code].head for code in codes],
            "unit_of_code": [meanings[code].unit for code in codes],
            "kind": [code.partition("//")[0].partition("/")[0] for code in codes],
        },
        schema=dict.fromkeys(("code", "head", "unit_of_code", "kind"), pl.String),
    )
    lines = (
        rows.join(told, on="code", how="left", maintain_order="left")
        .select("subject_id", "time", "code", "kind", fact=_what(rows.schema, modifiers))
        .with_columns(line=pl.concat_str(_when(), "fact"))
    )
    return {key[0]: _of_subject(part) for key, part in lines.group_by("subject_id", maintain_order=True)}


def _with_later_times(rows: pl.DataFrame, modifiers: Sequence[str]) -> pl.DataFrame:
    """The rows with each later time that a modifier tells as a row of its own, whose ``later`` says what it is."""
    told = rows.with_columns(later=pl.lit(None, pl.String))
    parts = []
    for column in modifiers:
        if (moment := _moment(column, rows.schema[column])) is None or rows[column].null_count() == rows.height:
            continue
        is_later = moment.is_not_null() & (pl.col("time").is_null() | (moment > pl.col("time")))
        of = (pl.lit(", of ") + pl.col("time").dt.strftime("%Y-%m-%d %H:%M")).fill_null("")
        parts.append(
            rows.filter(is_later).select(
                "subject_id", "code", time=moment.cast(rows.schema["time"]), later=pl.lit(f"; {_name(column)}") + of
            )
        )
        told = told.with_columns(pl.when(~is_later.fill_null(False)).then(pl.col(column)).alias(column))
    return pl.concat([told, *parts], how="diagonal") if parts else told


def _moment(column: str, dtype: pl.DataType) -> pl.Expr | None:
    """The times of a modifier that tells any, a day without a time as its end; None for others."""
    if isinstance(dtype, pl.Datetime):
        return moment(column, dtype)
    if dtype == pl.Date:
        return day_end(pl.col(column))
    if column not in _ENDS or dtype != pl.String:
        return None
    written = pl.col(column).str.strip_chars()
    exact = pl.when(written.str.len_chars() > len("2180-05-07")).then(moment(column, dtype))
    return pl.coalesce(exact, day_end(written.str.extract(_DAY).str.to_date(strict=False)))


def _of_subject(lines: pl.DataFrame) -> Lines:
    births = pl.col("code").str.split("//").list.first().is_in(BIRTHS)
    birth = lines.filter(births)["time"].drop_nulls()
    born: datetime | None = birth.min() if birth.len() else None  # type: ignore[assignment]
    always = pl.col("time").is_null() if born is None else pl.col("time").is_null() | (pl.col("time") <= born)
    static, dated = lines.filter(always), lines.filter(~always)
    facts = static.filter(~births)["fact"].unique(maintain_order=True).to_list()
    pieces = dated["line"].to_list()
    ends = np.cumsum(dated["line"].str.len_chars().to_numpy().astype(np.int64) + 1) - 1
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(pieces) else ends
    entries = list(
        map(Entry._make, zip(starts.tolist(), ends.tolist(), dated["time"].to_list(), dated["kind"].to_list(), strict=True))
    )
    return Lines("\n".join(pieces), entries, born, facts)


def _when() -> pl.Expr:
    time = pl.col("time")
    return (
        pl.when(time.dt.second() == 0)
        .then(time.dt.strftime("%Y-%m-%d %H:%M, "))
        .otherwise(time.dt.strftime("%Y-%m-%d %H:%M:%S, "))
        .fill_null("")
    )


def _what(schema: Mapping[str, pl.DataType], modifiers: Sequence[str]) -> pl.Expr:
    """Everything of an event but its time."""
    unit = _unit([_in_one_line(column, schema[column]) for column in modifiers if column in _UNITS])
    number = _number(schema["numeric_value"]) if "numeric_value" in schema else pl.lit(None, pl.String)
    with_unit = number + pl.when(unit == "").then(pl.lit("")).when(unit == "unit unknown").then(
        pl.lit(" (unit unknown)")
    ).otherwise(pl.lit(" ") + unit)
    text = _clean(pl.col("text_value")) if "text_value" in schema else pl.lit("")
    block = (text.str.len_chars() > _LONG) | text.str.contains("\n")
    in_line = pl.when(text == "").then(None).when(block).then(None).otherwise(text)
    # A code may name the unit of numbers that never come; it is a part of what the event is all the same.
    alone = pl.when(number.is_null() & ~unit.is_in(["", "unit unknown"])).then(pl.lit(" (") + unit + ")").otherwise(pl.lit(""))
    value = pl.concat_str(with_unit, in_line, separator=", ", ignore_nulls=True)
    shown = pl.when(value == "").then(pl.lit("")).otherwise(pl.lit(" = ") + value)
    others = [_modifier(column, schema[column]) for column in modifiers if column not in _UNITS]
    below = pl.when(block).then(pl.lit("\n" + _BAR) + text.str.replace_all("\n", "\n" + _BAR, literal=True)).otherwise(pl.lit(""))
    return pl.concat_str(pl.col("head"), alone, shown, *others, pl.col("later").fill_null(""), below)


def _clean(column: pl.Expr) -> pl.Expr:
    r"""A text whose lines end in ``\n`` only, without blank ends; empty for none."""
    text = column.cast(pl.String).fill_null("").str.replace_all("\r\n", "\n", literal=True)
    return text.str.replace_all(_BREAKS, "\n").str.strip_chars()


def _number(dtype: pl.DataType) -> pl.Expr:
    """A number as short as it can be written without becoming another; null for none and for NaN.

    MEDS keeps 32 bits. In a wider column such a number still has the digits that 32 bits have added to it; they are left out.
    """
    number = pl.col("numeric_value")
    if not dtype.is_float():
        return number.cast(pl.String)
    narrow = number.cast(pl.Float32)
    text = (
        pl.when(narrow.cast(pl.Float64) == number.cast(pl.Float64)).then(narrow.cast(pl.String)).otherwise(number.cast(pl.String))
    )
    return pl.when(number.is_nan()).then(None).otherwise(text.str.strip_suffix(".0"))


def _unit(columns: Sequence[pl.Expr]) -> pl.Expr:
    """The unit of the code and that of a column, once where they agree."""
    unit = pl.col("unit_of_code")
    for own in columns:
        same = (own == "") | (own.str.to_lowercase() == unit.str.to_lowercase())
        unit = pl.when(same).then(unit).when(unit.is_in(["", "unit unknown"])).then(own).otherwise(unit + " (" + own + ")")
    return unit


def _modifier(column: str, dtype: pl.DataType) -> pl.Expr:
    value = _in_one_line(column, dtype)
    return pl.when(value == "").then(pl.lit("")).otherwise(pl.lit(f"; {_name(column)} ") + value)


def _name(column: str) -> str:
    return _WORDS.get(column, column.replace("_", " "))


def _in_one_line(column: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(column).dt.strftime("%Y-%m-%d %H:%M") if isinstance(dtype, pl.Datetime) else pl.col(column).cast(pl.String)
    if dtype.is_float():
        text = text.str.strip_suffix(".0")
    return text.fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()
