"""Every table as CSV and JSON, and every result of a task as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry
from ehrbench.leaderboard.tables import Cell, Row, Table
from ehrbench.leaderboard.text import exact
from ehrbench.results.repeats import without_words
from ehrbench.results.schema import Result
from ehrbench.tables import to_csv

FIELDS = (
    "model", "variant", "kind", "badges", "column", "task", "metric",
    "value", "low", "high", "n", "n_items", "n_expected", "rank_best", "rank_worst", "missing",
)  # fmt: skip
CELL_FIELDS = ("column", *FIELDS[7:], "partial")
"""What a cell of the JSON holds, in order."""
CONDITIONS = ("data", "protocol", "track", "context", "window", "prompt")
"""What all cells of a table have in common."""


def table_csv(table: Table) -> str:
    """The table as CSV, one line a cell."""
    where = tuple(_conditions(table).values())
    return to_csv((*FIELDS[:4], *CONDITIONS, *FIELDS[4:]), ((*record[:4], *where, *record[4:]) for record in _records(table)))


def table_json(table: Table) -> str:
    """The table as JSON: its conditions, its columns, and for each row the fields of every cell that is not empty.

    A cell is a list: the column's number, then what ``fields`` names; empty fields at the end are left out. A row without
    ``kind`` is a run.
    """
    head = {
        "title": table.title,
        "conditions": {key: value for key, value in _conditions(table).items() if value is not None},
        "columns": [_column(table, k) for k in range(len(table.columns))],
        "fields": CELL_FIELDS,
    }
    lines = (json.dumps(_row(row), ensure_ascii=False, separators=(",", ":")) for row in table.rows)
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [\n' + ",\n".join(lines) + "\n]}\n"


def _column(table: Table, k: int) -> dict[str, str]:
    cells = [row.cells[k] for row in table.rows]
    known = {
        "key": table.columns[k].key,
        "task": next((cell.task for cell in cells if cell.task), ""),
        "metric": next((cell.metric for cell in cells if cell.metric), ""),
    }
    return {key: value for key, value in known.items() if value}


def _row(row: Row) -> dict[str, Any]:
    cells = []
    for k, cell in enumerate(row.cells):
        if cell.text or cell.missing:
            values = [k, *_numbers(cell)[2:], "partial" in cell.marks or None]
            while values[-1] is None:
                values.pop()
            cells.append(values)
    facts = {
        "model": row.label,
        "variant": row.sub,
        "kind": row.kind if row.kind != "run" else "",
        "badges": " ".join(row.badges),
    }
    return {**{key: value for key, value in facts.items() if value}, "cells": cells}


def results_json(entries: Sequence[Entry]) -> str:
    """Results as they may be downloaded, each seed's its own, in the form of a ``*.results.json``; defaults are left out."""
    each = (public(replace(entry, result=run)) for entry in entries for run in entry.runs)
    return "[\n" + ",\n".join(result.model_dump_json(exclude_defaults=True) for result in each) + "\n]\n"


def repeats_json(entries: Sequence[Entry]) -> str:
    """The means over seeds among them, in the form of a ``*.repeats.json``; empty where there is none that may be shown."""
    lines = [
        without_words(entry.seeds.means, entry.result).model_dump_json()
        for entry in entries
        if entry.seeds is not None and not entry.hidden
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else ""


def public(entry: Entry) -> Result:
    """The result as it may be downloaded: numbers that rest on too few patients are taken out."""
    result = entry.result
    if entry.hidden:
        return result.model_copy(update={"metrics": [], "strata": {}, "outcomes": {}, "context": None})
    if not entry.guarded:
        return result
    strata = {name: [m for m in metrics if (m.n or 0) >= MIN_GROUPS] for name, metrics in result.strata.items()}
    return result.model_copy(update={"strata": {name: metrics for name, metrics in strata.items() if metrics}})


def _conditions(table: Table) -> dict[str, Any]:
    setting = table.setting
    if setting is None:
        return dict.fromkeys(CONDITIONS)
    values = (
        "synthetic" if setting.synthetic else "real",
        setting.protocol,
        setting.track,
        setting.policy,
        setting.window,
        setting.prompt,
    )
    return dict(zip(CONDITIONS, values, strict=True))


def _records(table: Table) -> Iterator[tuple[Any, ...]]:
    for row in table.rows:
        badges = " ".join(row.badges)
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.text or cell.missing:
                yield (row.label, row.sub, row.kind, _badges(badges, cell), column.key, *_numbers(cell))


def _badges(badges: str, cell: Cell) -> str:
    return f"{badges} partial".strip() if "partial" in cell.marks else badges


def _numbers(cell: Cell) -> tuple[Any, ...]:
    rank = cell.rank
    return (
        cell.task or None,
        cell.metric or None,
        *(None if one is None else exact(one) for one in (cell.value, cell.low, cell.high)),
        cell.n,
        cell.n_items,
        cell.n_expected,
        rank.best if rank else None,
        rank.worst if rank else None,
        cell.missing or None,
    )
