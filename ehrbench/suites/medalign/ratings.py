"""Clinicians' judgements of six systems' answers to MedAlign's instructions: verdicts, ranks and the answers themselves.

Needs the release's tables only, not the records, so metrics can be correlated with clinicians where the records may not go.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.readers.cells import read_yes_no
from ehrbench.readers.table import Columns, Row, Table, read_table
from ehrbench.suites.medalign.columns import REVIEW_COLUMNS, read_id
from ehrbench.suites.medalign.layout import REVIEW_TABLE, find_layout

N_RELEASED = 1818
"""Judgements behind the paper's tables: 6 systems x 303 instructions."""


class Rating(NamedTuple):
    """One clinician's judgement of one system's answer to one instruction."""

    item: str
    """The instruction's id."""
    system: str
    rater: str
    """``Annotator_1`` …; ``review_1`` … in file order where the table does not say who judged."""
    rank: float | None
    """As stored: 1 is best, ties share a number, the scale differs between raters. Re-rank within (item, rater)."""
    correct: bool | None
    """The verdict."""
    used_eval: bool
    """Whether the paper's tables count this row; True for all where the table does not say."""
    answer: str
    """What the system answered."""
    group: str | None
    """The patient, for clustered intervals."""


@dataclass(frozen=True)
class Ratings:
    """Every judgement of a release."""

    path: Path
    rows: Sequence[Rating]
    """In file order."""
    warnings: Sequence[str]

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems, in the order in which the table names them first."""
        return tuple(dict.fromkeys(row.system for row in self.rows))

    def used(self) -> list[Rating]:
        """The rows that the paper's tables count."""
        return [row for row in self.rows if row.used_eval]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _rating(table: Table, columns: Columns, row: Row, seen: Counter[tuple[str, str]]) -> Rating:
    item = read_id(table, row, "instruction_id", columns.get(row, "instruction_id"))
    system = columns.get(row, "system")
    if not system:
        raise UsageError(f"{table.place(row)}: the row names no system")
    seen[item, system] += 1
    rank = columns.get(row, "rank")
    return Rating(
        item=item,
        system=system,
        rater=columns.get(row, "rater") or f"review_{seen[item, system]}",
        rank=_number(rank),
        correct=read_yes_no(columns.get(row, "correct")),
        used_eval=read_yes_no(columns.get(row, "used_eval")) is True if "used_eval" in columns else True,
        answer=columns.get(row, "answer"),
        group=columns.get(row, "person_id") or None,
    )


def read_ratings(root: Path, columns: Mapping[str, str] | None = None) -> Ratings:
    """Read ``clinician-reviewed-model-responses`` of a release.

    Args:
        root: the release's folder, or one above it.
        columns: meaning (a key of ``REVIEW_COLUMNS``) to column name, where the table's columns are named otherwise.

    Raises:
        MissingError: the table is not there.
        UsageError: the table is malformed, or a rater judged one answer twice; the message names file and row.
    """
    layout = find_layout(root)
    if layout.reviews is None:
        raise MissingError(f"{REVIEW_TABLE}.tsv is not in {layout.root}; clinicians' ratings need that table of the release")
    table = read_table(layout.reviews, "the table of reviewed answers")
    resolved = Columns(table, REVIEW_COLUMNS, columns)
    resolved.require(REVIEW_COLUMNS, "instruction_id", "system", "answer", "rank")
    seen: Counter[tuple[str, str]] = Counter()
    rows: list[Rating] = []
    places: dict[tuple[str, str, str], int] = {}
    n_bad_ranks = 0
    for row in table.rows:
        rating = _rating(table, resolved, row, seen)
        key = (rating.item, rating.system, rating.rater)
        if key in places:
            raise UsageError(
                f"{table.place(row)}: the same rater judges the same system on instruction {rating.item} in row {places[key]}; "
                "keep one of the two rows"
            )
        places[key] = row.number
        n_bad_ranks += rating.rank is None
        rows.append(rating)
    return Ratings(layout.reviews, tuple(rows), _warnings(resolved, rows, n_bad_ranks))


def _warnings(columns: Columns, rows: Sequence[Rating], n_bad_ranks: int) -> tuple[str, ...]:
    name = columns.table.path.name
    lines = [report] if (report := columns.report()) else []
    if "used_eval" not in columns:
        lines.append(f"{name}: no column is_used_eval, every row counts")
    if "rater" not in columns:
        lines.append(f"{name}: no column says who judged; raters are numbered in file order")
    if n_bad_ranks:
        lines.append(f"{name}: {n_bad_ranks} of {len(rows)} rows have no number for a rank")
    used = Counter((row.item, row.system) for row in rows if row.used_eval)
    items, systems = {item for item, _ in used}, {system for _, system in used}
    n_used = used.total()
    if n_used != N_RELEASED or (len(systems), len(items)) != (6, 303):
        lines.append(
            f"{name}: is_used_eval leaves {n_used} rows of {len(systems)} systems on {len(items)} instructions; "
            f"release v1.3 has {N_RELEASED} = 6 x 303"
        )
    if (n_absent := len(items) * len(systems) - len(used)) or n_used != len(used):
        lines.append(
            f"{name}: of {len(items) * len(systems)} pairs of system and instruction {n_absent} are not judged, "
            f"{sum(count > 1 for count in used.values())} more than once"
        )
    return tuple(lines)


def answers_of(ratings: Ratings, system: str) -> dict[str, str]:
    """One system's answers by instruction id: of the row that the paper's tables count, else of the first.

    Raises:
        UsageError: no such system.
    """
    if system not in ratings.systems:
        raise UsageError(unknown_name("system", system, ratings.systems))
    answers: dict[str, str] = {}
    counted: set[str] = set()
    for row in ratings.rows:
        if row.system == system and (row.item not in answers or (row.used_eval and row.item not in counted)):
            answers[row.item] = row.answer
            if row.used_eval:
                counted.add(row.item)
    return answers
