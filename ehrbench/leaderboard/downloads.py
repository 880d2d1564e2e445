"""Every table as CSV and JSON, and every result of a task as one JSON file."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry
from ehrbench.leaderboard.tables import Cell, Row, Table
from ehrbench.leaderboard.text import exact
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
    """Results as they may be downloaded, one per line, without keys that have their default value.

    What most of them say alike stands once, under ``shared``; ``metrics`` there has the fields of each metric by its name. A
    result is read by laying its own fields over the shared ones, object by object (``read_results``).
    """
    results = [public(entry).model_dump(mode="json", exclude_defaults=True) for entry in entries]
    alike: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        for metric in _metrics(result):
            alike[metric["name"]].append(metric)
    by_name = {name: _shared([_but(metric, "name") for metric in metrics]) for name, metrics in sorted(alike.items())}
    shared = _shared([_but(result, *_LISTS) for result in results])
    for metric in (metric for result in results for metric in _metrics(result)):
        _leave_out(metric, by_name[metric["name"]])
    for result in results:
        _leave_out(result, shared)
    head = json.dumps(shared | {"metrics": by_name}, ensure_ascii=False, separators=(",", ":"))
    lines = (json.dumps(result, ensure_ascii=False, separators=(",", ":")) for result in results)
    return f'{{"shared": {head}, "results": [\n' + ",\n".join(lines) + "\n]}\n"


def read_results(text: str) -> list[dict[str, Any]]:
    """The results of such a file, each whole again.

    Raises:
        ValueError: it is not JSON, or not of that form.
    """
    try:
        data = json.loads(text)
        shared = _but(data["shared"], "metrics")
        results = [_over(shared, result) for result in data["results"]]
        for result in results:
            result["metrics"] = [_over(data["shared"]["metrics"][m["name"]], m) for m in result.get("metrics", ())]
            strata = result.get("strata", {}).items()
            result["strata"] = {name: [_over(data["shared"]["metrics"][m["name"]], m) for m in own] for name, own in strata}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no results with what they share: {error!r}") from None
    return results


_LISTS = ("metrics", "strata")


def _metrics(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from result.get("metrics", ())
    for own in result.get("strata", {}).values():
        yield from own


def _shared(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each field that all have, what most of them say, where two say it; object by object."""
    found: dict[str, Any] = {}
    for key in objects[0] if len(objects) > 1 else ():
        values = [one[key] for one in objects if key in one]
        if len(values) < len(objects):
            continue
        if all(isinstance(value, dict) for value in values):
            inner = _shared(values)
            if inner:
                found[key] = inner
            continue
        if any(isinstance(value, dict) for value in values):
            continue
        counts = Counter(json.dumps(value, sort_keys=True) for value in values)
        said, n = counts.most_common(1)[0]
        if n > 1:
            found[key] = json.loads(said)
    return found


def _leave_out(own: dict[str, Any], shared: dict[str, Any]) -> None:
    for key, value in shared.items():
        if isinstance(value, dict):
            _leave_out(own[key], value)
            if not own[key]:
                del own[key]
        elif own[key] == value:
            del own[key]


def _over(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    inner = {key: _over(value, own.get(key, {})) for key, value in shared.items() if isinstance(value, dict)}
    return shared | own | inner


def _but(fields: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}


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
