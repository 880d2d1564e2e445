"""Every table as CSV and JSON, and every result of a task as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry
from ehrbench.leaderboard.tables import Cell, Table
from ehrbench.results.schema import Result
from ehrbench.tables import to_csv

FIELDS = (
    "model", "variant", "kind", "badges", "column", "task", "metric",
    "value", "low", "high", "n", "n_items", "n_expected", "rank_best", "rank_worst", "missing",
)  # fmt: skip
CONDITIONS = ("data", "protocol", "track", "context", "window", "prompt")
"""What all cells of a table have in common."""


def table_csv(table: Table) -> str:
    """The table as CSV, one line a cell."""
    where = tuple(_conditions(table).values())
    return to_csv((*FIELDS[:4], *CONDITIONS, *FIELDS[4:]), ((*record[:4], *where, *record[4:]) for record in _records(table)))


def table_json(table: Table) -> str:
    """The table as JSON: its conditions, the names of the fields, and a list of the fields' values for each cell."""
    head = {
        "title": table.title,
        "conditions": {key: value for key, value in _conditions(table).items() if value is not None},
        "fields": FIELDS,
    }
    lines = (json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in _records(table))
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "cells": [\n' + ",\n".join(lines) + "\n]}\n"


def results_json(entries: Sequence[Entry]) -> str:
    """Results as they may be downloaded, one a line, without keys that have their default value."""
    lines = (public(entry).model_dump_json(exclude_defaults=True) for entry in entries)
    return "[\n" + ",\n".join(lines) + "\n]\n"


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
        cell.value,
        cell.low,
        cell.high,
        cell.n,
        cell.n_items,
        cell.n_expected,
        rank.best if rank else None,
        rank.worst if rank else None,
        cell.missing or None,
    )
