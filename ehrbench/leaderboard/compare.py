"""The data of the comparison page: every shown number once, so that a reader can lay any models side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ehrbench.leaderboard.columns import TaskColumn
from ehrbench.leaderboard.entries import RowKey, paired_difference
from ehrbench.leaderboard.layout import Section, Slugs, setting_title
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.task_pages import stratum
from ehrbench.leaderboard.text import show

MAX_BYTES = 700_000
"""Of the data; subsets of items are left out where they would make the page larger."""


def compare_data(sections: Sequence[Section], slug: Slugs, names: Names) -> str:
    """JSON for the page: models, and for each section the tasks with every model's value and interval."""
    models: dict[str, int] = {}
    for name in sorted({key.name for section in sections for key in section.rows}, key=lambda n: (n.lower(), n)):
        models[name] = len(models)
    full = _dumps(models, sections, slug, names, strata=True)
    return full if len(full) <= MAX_BYTES else _dumps(models, sections, slug, names, strata=False)


def _dumps(models: dict[str, int], sections: Sequence[Section], slug: Slugs, names: Names, strata: bool) -> str:
    data = {
        "models": [[slug["model"][name], show(name, 64)] for name in models],
        "sections": [view for section in sections if (view := _section(section, models, slug, names, strata))],
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _section(section: Section, models: dict[str, int], slug: Slugs, names: Names, strata: bool) -> dict[str, Any] | None:
    tasks = []
    for column in section.columns:
        values: dict[int, list[float]] = {}
        parts: dict[str, dict[int, list[float]]] = {}
        for key, cell in column.cells.items():
            if cell.value is None or "partial" in cell.marks or (key.kind == "run" and cell.rank is None):
                continue
            values.setdefault(models[key.name], _numbers(cell.value, cell.low, cell.high))
            for name in column.chosen[key].result.strata if strata and not column.chosen[key].hidden else ():
                metric = stratum(column.chosen[key], name)
                if metric is not None and metric.value is not None:
                    numbers = _numbers(metric.value, metric.low, metric.high)
                    parts.setdefault(show(name.replace("=", ": "), 80), {}).setdefault(models[key.name], numbers)
        if len(values) < 2:
            continue
        tests = _tests(column, models)
        low, high = column.kind.range
        tasks.append(
            {
                "title": names.task(column.task).title,
                "href": f"tasks/{slug['task'][column.task]}.html",
                "metric": column.kind.family,
                "up": column.higher_is_better,
                "width": abs(high - low),
                "digits": 3 if abs(high - low) <= 2 else 2 if abs(high - low) <= 20 else 1,
                "v": values,
                **({"tests": tests} if tests else {}),
                **({"parts": {name: own for name, own in sorted(parts.items()) if len(own) > 1}} if parts else {}),
            }
        )
    if not tasks:
        return None
    return {"suite": names.suite_title(section.suite), "setting": setting_title(section.setting), "tasks": tasks}


def _tests(column: TaskColumn, models: dict[str, int]) -> dict[str, list[float]]:
    """What tests item by item say of two models: first minus second, its interval, and the number of common items."""
    keys: dict[int, RowKey] = {}
    for key in column.estimates:
        keys.setdefault(models[key.name], key)
    found = {}
    for i, a in sorted(keys.items()):
        for j, b in sorted(keys.items()) if column.chosen[a].paired else ():
            one = paired_difference(column.chosen[a], column.chosen[b], column.primary) if i < j else None
            if one is not None and one.low is not None and one.high is not None:
                found[f"{i},{j}"] = [*_numbers(one.value, one.low, one.high), one.n or 0]
    return found


def _numbers(value: float, low: float | None, high: float | None) -> list[float]:
    return [round(value, 5)] if low is None or high is None else [round(value, 5), round(low, 5), round(high, 5)]
