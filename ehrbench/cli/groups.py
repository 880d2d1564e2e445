"""Group results in print, shared by the commands that score tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ehrbench.results.groups import GroupMember, GroupResult
    from ehrbench.results.schema import MetricResult


def print_groups(results: Sequence[GroupResult]) -> None:
    """Print a suite's groups as a table: main columns first, then the others; nothing for a suite where no group has a task."""
    from ehrbench.terminal.output import print_cautions, print_table

    suites = dict.fromkeys((one.suite, one.protocol, one.model.name, one.prompt) for one in results)
    for suite, protocol, model, prompt in suites:
        own = [
            one for one in results if (one.suite, one.protocol, one.model.name, one.prompt) == (suite, protocol, model, prompt)
        ]
        own = [one for one in own if one.n_tasks]
        if not own:
            continue
        marks = " · synthetic sample" if own[0].synthetic else ""
        typer.echo(f"\n{suite} · {model} · {protocol} protocol{marks}")
        rows: list[tuple[object, ...]] = []
        for one in sorted(own, key=lambda one: not one.column):
            rows += _rows(one)
        said = [(one.title, score.caution) for one in own for score in one.scores]
        said += [(one.title, m.caution) for one in own if one.combine == "none" for member in one.members for m in member.metrics]
        header = ("group", "score", "value", "95 % interval", "majority", "tasks", "items", "")
        print_table(header, rows, numbers=(2, 3, 4, 5, 6))
        print_cautions(said)


def _rows(one: GroupResult) -> list[tuple[object, ...]]:
    tasks = f"{one.n_tasks}/{one.n_tasks_expected}"
    if one.combine == "none":
        return [row for member in one.members for row in _member_rows(one, member)]
    rows: list[tuple[object, ...]] = []
    for k, score in enumerate(one.scores):
        first = (one.title, tasks, one.n_items) if k == 0 else ("", "", "")
        remark = score.missing or ("partial" if one.partial else "")
        rows.append((first[0], *_cells(score), *first[1:], remark))
    return rows


def _member_rows(one: GroupResult, member: GroupMember) -> list[tuple[object, ...]]:
    name = f"{one.title}: {member.task.rpartition('.')[2]}"
    shown = [metric for metric in member.metrics if metric.value is not None]
    if not shown:
        return [(name, "", None, None, None, "0/1", member.n_items, member.missing or "")]
    rows: list[tuple[object, ...]] = []
    for k, metric in enumerate(shown):
        first = (name, "1/1", member.n_items) if k == 0 else ("", "", "")
        remark = "partial" if member.partial else ""
        rows.append((first[0], *_cells(metric), *first[1:], remark))
    return rows


def _cells(metric: MetricResult) -> tuple[object, ...]:
    from ehrbench.terminal.output import interval_cell

    return metric.label, _number(metric.value), interval_cell(metric), _number(metric.baseline)


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
