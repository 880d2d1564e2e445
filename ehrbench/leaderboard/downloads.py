"""Every table as CSV and JSON, one line a cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ehrbench.leaderboard.tables import Cell, Row, Table
from ehrbench.tables import to_csv

FIELDS = (
    "model", "page", "variant", "kind", "badges", "data", "protocol", "track", "context", "window", "prompt", "column",
    "task", "metric", "value", "low", "high", "n", "n_items", "n_expected", "rank_best", "rank_worst", "missing",
)  # fmt: skip


def table_csv(table: Table) -> str:
    """The table as CSV."""
    return to_csv(FIELDS, ([record[name] for name in FIELDS] for record in _records(table)))


def table_json(table: Table) -> str:
    """The table as JSON: a list of cells, one a line, without what is empty."""
    lines = [
        json.dumps({k: v for k, v in record.items() if v not in (None, "")}, ensure_ascii=False, allow_nan=False)
        for record in _records(table)
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _records(table: Table) -> Iterator[dict[str, Any]]:
    setting = table.setting
    where = {
        "data": "synthetic" if setting and setting.synthetic else "real",
        "protocol": setting.protocol if setting else None,
        "track": setting.track if setting else None,
        "context": setting.policy if setting else None,
        "window": setting.window if setting else None,
        "prompt": setting.prompt if setting else None,
    }
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if not cell.text and not cell.missing:
                continue
            yield {
                **_model(row, cell),
                **where,
                "column": column.key,
                "task": cell.task or None,
                "metric": cell.metric or None,
                "value": cell.value,
                "low": cell.low,
                "high": cell.high,
                "n": cell.n,
                "n_items": cell.n_items,
                "n_expected": cell.n_expected,
                "rank_best": cell.rank.best if cell.rank else None,
                "rank_worst": cell.rank.worst if cell.rank else None,
                "missing": cell.missing or None,
            }


def _model(row: Row, cell: Cell) -> dict[str, Any]:
    return {
        "model": row.label,
        "page": f"models/{row.slug}.html",
        "variant": row.sub,
        "kind": row.kind,
        "badges": " ".join((*row.badges, *(mark for mark in cell.marks if mark == "partial"))),
    }
