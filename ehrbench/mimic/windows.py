"""What a prediction may see: the events of a window, without what was only known later (protocol page, 8.9).

By default an event counts once it had been *stored* by the window's end, and its text is cut of what it says of later times: a
duration that runs on is given up to the window's end, an amount that runs on is left out. The paper's way, as far as it is told,
is to take what *happened* by then and to change nothing. Billed diagnoses and the chief complaint, which is from the discharge
summary, are never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from ehrbench.mimic.cohort import MICROSECONDS_PER_HOUR, hours
from ehrbench.mimic.wording import two_decimals

BILLED = "diagnoses_icd"
_LASTING = ("prescriptions", "procedureevents", "inputevents")


@dataclass(frozen=True)
class Window:
    """From the beginning of the record to an end."""

    end_hours: float | None
    """Since hospital admission; None: the whole admission, up to the discharge."""
    by: Literal["available", "timestamp"] = "available"
    """Which time of an event counts."""
    durations: Literal["clip", "keep"] = "clip"


def observe(events: Mapping[str, pl.DataFrame], stays: pl.DataFrame, window: Window) -> dict[str, pl.DataFrame]:
    """Cut events to a window.

    Args:
        events: sorted rows by type, as ``sort_events`` leaves them.
        stays: ``hadm_id, los_us`` of the admissions wanted; others are left out.
        window: where to cut. For a whole admission the end is its ``dischtime``; by ``timestamp`` there is none.
    """
    end = pl.col("los_us") if window.end_hours is None else pl.lit(round(window.end_hours * MICROSECONDS_PER_HOUR), pl.Int64)
    ends = stays.select("hadm_id", end_us=end)
    seen = {}
    for event_type, rows in events.items():
        if event_type == BILLED:
            continue
        inside = rows.join(ends, on="hadm_id", maintain_order="left")
        if window.by == "available":
            inside = inside.filter((pl.col("available_us") <= pl.col("end_us")) & (pl.col("at_us") <= pl.col("end_us")))
        elif window.end_hours is not None:
            inside = inside.filter(pl.col("at_us") <= pl.col("end_us"))
        if event_type == "admission_info":
            inside = inside.with_columns(text=pl.col("text").str.replace(r",? ?chief complaint: .*$", ""))
        if window.durations == "clip" and event_type in _LASTING:
            inside = _clip(inside, event_type)
        seen[event_type] = inside.drop("end_us")
    return seen


def _clip(rows: pl.DataFrame, event_type: str) -> pl.DataFrame:
    left = hours(pl.col("end_us") - pl.col("at_us"))
    runs_on = (pl.col("duration") > left).fill_null(False)
    if event_type == "inputevents":
        head = pl.concat_str("label", pl.lit(" for "))
    else:
        head = pl.col("text").str.replace(r"-?[0-9.]+ hour$", "")
    shorter = pl.concat_str(head, two_decimals(pl.when(runs_on).then(left)), pl.lit(" hour"))
    return rows.with_columns(
        text=pl.when(runs_on).then(shorter).otherwise("text"), duration=pl.when(runs_on).then(left).otherwise("duration")
    )
