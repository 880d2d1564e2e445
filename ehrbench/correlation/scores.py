"""Metrics' and judges' scores of systems' answers, from a table ``item, system, metric, score``."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.sheet import Sheet, shown
from ehrbench.errors import UsageError, unknown_name
from ehrbench.readers.table import Table

FloatArray = npt.NDArray[np.float64]

COLUMNS: Mapping[str, Sequence[str]] = {
    "item": ("item", "item_id", "instruction_id"),
    "system": ("system", "model", "model_name"),
    "metric": ("metric",),
    "score": ("score", "value"),
}


@dataclass(frozen=True)
class Scores:
    """One metric's scores."""

    metric: str
    label: str
    higher_is_better: bool
    cells: Mapping[tuple[str, str], float]
    """(item, system) to score; NaN or absent: none."""
    signature: str = ""
    source: str = ""
    """Where they are from, for messages."""


def read_scores(source: Path | Table, lower_is_better: Collection[str] = ()) -> tuple[list[Scores], tuple[str, ...]]:
    """Read the scores of every metric of a table.

    Args:
        source: CSV, TSV or parquet; or a table that is read already.
        lower_is_better: metrics of which a small score is good, beyond those that ehrbench knows as such.

    Returns:
        (scores by metric, what was odd).

    Raises:
        MissingError: there is no such file.
        UsageError: a name is empty, or one answer has two different scores of one metric; the message names file and row.
    """
    sheet = Sheet(source, "the table of scores", COLUMNS, ("item", "system", "metric", "score"))
    found: dict[str, dict[tuple[str, str], float]] = {}
    places: dict[tuple[str, tuple[str, str]], int] = {}
    for row in sheet:
        metric = sheet.name(row, "metric")
        cell = sheet.name(row, "item"), sheet.name(row, "system")
        score = sheet.number(row, "score")
        cells = found.setdefault(metric, {})
        if cell in cells:
            if cells[cell] != score and not (math.isnan(score) and math.isnan(cells[cell])):
                raise UsageError(
                    f"{sheet.place(row)}: {shown(metric)} of system {shown(cell[1])} on item {shown(cell[0])} has another score "
                    f"in row {places[metric, cell]}; keep one of the two rows"
                )
            sheet.notes.add("the row repeats an earlier one and counts once", row.number)
        cells[cell] = score
        places.setdefault((metric, cell), row.number)
    if not found:
        raise UsageError(f"{sheet.path}: it holds no scores")
    return [describe(name, found[name], sheet.path.name, lower_is_better) for name in found], sheet.notes.sentences()


def describe(name: str, cells: Mapping[tuple[str, str], float], source: str, lower_is_better: Collection[str] = ()) -> Scores:
    """Scores with the label and direction of their metric: its own where ehrbench has it, else as the user says."""
    from ehrbench.metrics import METRICS

    label, higher = name, name not in lower_is_better
    if name in METRICS:
        metric = METRICS.get(name)
        label, higher = metric.label, metric.higher_is_better and higher
    return Scores(name, label, higher, cells, source=source)


def align(scores: Scores, items: Sequence[str], systems: Sequence[str]) -> tuple[FloatArray, tuple[str, ...]]:
    """The scores as a matrix [items, systems], higher is better, and what did not fit.

    Raises:
        UsageError: no item or no system of the ratings has a score.
    """
    of_item, of_system = ({name: i for i, name in enumerate(names)} for names in (items, systems))
    out = np.full((len(items), len(systems)), np.nan)
    others: set[str] = set()
    stray = 0
    for (item, system), score in scores.cells.items():
        if system not in of_system:
            others.add(system)
        elif item not in of_item:
            stray += 1
        else:
            out[of_item[item], of_system[system]] = score if scores.higher_is_better else -score
    if len(others) and len(others) == len({system for _, system in scores.cells}):
        hint = unknown_name("system", min(others), systems)
        raise UsageError(f"{scores.source}: {scores.metric} scores no system that was rated: {hint}")
    if np.isnan(out).all():
        raise UsageError(f"{scores.source}: {scores.metric} has no score for any of the {len(items)} rated items")
    notes = []
    if others:
        names = ", ".join(shown(name) for name in sorted(others)[:5]) + (" …" if len(others) > 5 else "")
        notes.append(f"{scores.source}: {scores.metric}: {len(others)} systems were not rated and are left out: {names}")
    if stray:
        notes.append(f"{scores.source}: {scores.metric}: {stray} scores are of items that were not rated and are left out")
    if n := int(np.isnan(out).sum()):
        notes.append(
            f"{scores.source}: {scores.metric}: {n} of {out.size} rated answers have no score (their pairs are left out)"
        )
    return out, tuple(notes)
