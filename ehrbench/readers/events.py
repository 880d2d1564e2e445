"""The events of some people as MEDS's are rendered: what the readers of other models of a record are read into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from ehrbench.readers.coverage import Told
from ehrbench.readers.meds.codes import Meaning
from ehrbench.readers.meds.rendering import Lines, render

MAX_UNUSABLE = 0.01
"""Share of a file's rows that may lack a time or a known person."""
_RECORDS_HELD = 16


@dataclass
class Events:
    """The events of some people."""

    rows: pl.DataFrame
    """As ``meds.rendering.render`` takes them."""
    meanings: Mapping[str, Meaning]
    told: Told = Told(0, 0, 0, 0)
    files: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    modifiers: Sequence[str] = ("unit",)
    """Columns that are shown with each event."""


def told_of(rows: pl.DataFrame, meanings: Mapping[str, Meaning]) -> Told:
    """How many events, notes and births aside, have a name, and how many numbers a unit.

    Args:
        rows: ``time, code, numeric_value, unit``; a code begins with its kind and ``//``.
        meanings: of every code.
    """
    kind = pl.col("code").str.split("//").list.first()
    clinical = rows.filter(pl.col("time").is_not_null() & ~kind.is_in(["MEDS_BIRTH", "NOTE"]))
    described = [code for code, meaning in meanings.items() if meaning.described]
    numeric = clinical.filter(pl.col("numeric_value").is_not_null())
    with_unit = numeric.filter(pl.col("unit") != "").height
    return Told(clinical.height, clinical.filter(pl.col("code").is_in(described)).height, numeric.height, with_unit)


def lines_of(events: Events) -> Callable[[int], Lines]:
    """Renders a person's events when asked; the last few are held."""
    parts: Mapping[Any, pl.DataFrame] = {key[0]: part for key, part in events.rows.group_by("subject_id", maintain_order=True)}

    @lru_cache(_RECORDS_HELD)
    def lines(person: int) -> Lines:
        rows = parts.get(person, events.rows.clear())
        return render(rows, events.meanings, events.modifiers).get(person, Lines("", (), None, ()))

    return lines
