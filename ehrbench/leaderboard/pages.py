"""Tables of the overview and of the suites' pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ehrbench.leaderboard.entries import Entry, RowKey, Setting
from ehrbench.leaderboard.layout import (
    Slugs,
    by_setting,
    family,
    in_order,
    is_average,
    majority,
    run_names,
    setting_title,
    table_row,
)
from ehrbench.leaderboard.ranks import RankRange, rank_ranges
from ehrbench.leaderboard.tables import Cell, Column, Table, by_row, mean_cell, task_cells
from ehrbench.leaderboard.text import show
from ehrbench.leaderboard.text import slug as safe_name
from ehrbench.leaderboard.words import suite_name

MAX_COLUMNS = 10
"""Tasks that one table of a suite shows; more are shown by category."""


class Kind(NamedTuple):
    """What a primary metric measures: means are over one kind only."""

    family: str
    range: tuple[float, float]
    higher_is_better: bool


def overview_tables(entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """One table a combination of data, protocol, context policy and window; one column a suite, track and primary metric.

    Tasks without records, and published rows, stand in every table of their protocol, for no context policy touched them.
    """
    groups: dict[tuple[bool, str], set[tuple[str, int | None]]] = defaultdict(set)
    for entry in entries:
        setting = entry.setting
        groups[setting.synthetic, setting.protocol].add((setting.policy, setting.window))
    tables = []
    for (synthetic, protocol), contexts in sorted(groups.items()):
        with_record = {context for context in contexts if context[0]} or {("", None)}
        for policy, window in sorted(with_record, key=lambda c: (-(c[1] or 0), c[0])):
            own = [
                e
                for e in entries
                if (e.setting.synthetic, e.setting.protocol) == (synthetic, protocol)
                and (e.setting.policy, e.setting.window) in {(policy, window), ("", None)}
                and e.setting.prompt == "default"
            ]
            setting = Setting(synthetic, protocol, "", policy, window, "default")
            tables.append(_overview_table(own, setting, slug))
    with_rows = [table for table in tables if table.rows]
    return sorted(with_rows, key=lambda table: all(row.kind != "run" for row in table.rows))


def suite_tables(entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """One table a setting; one column a task, and a mean where all tasks are measured alike.

    A suite of many tasks in categories gets a table a category, after one with a column a category or its own averages.
    """
    tables: list[Table] = []
    settings = by_setting(entries)
    averaged = {(s.synthetic, s.protocol, s.prompt) for s, own in settings if is_average(s)}
    for setting, own in settings:
        categories: dict[str, list[Entry]] = defaultdict(list)
        for entry in own:
            categories[_category(entry)].append(entry)
        n_tasks = len({entry.result.task for entry in own})
        if n_tasks <= MAX_COLUMNS or len(categories) < 2 or is_average(setting):
            tables.append(_suite_table(own, setting, slug, next(iter(categories)) if len(categories) == 1 else ""))
            continue
        whole = (setting.synthetic, setting.protocol, setting.prompt) not in averaged
        if whole:
            tables.append(_category_table(categories, own, setting, slug))
        for category, several in sorted(categories.items()):
            table = _suite_table(several, setting, slug, category)
            name = _category_name(category)
            tables.append(
                replace(table, id=_category_id(setting, category), title=show(f"{table.title}: {name}", 140), part=whole)
            )
    return tables


def _overview_table(entries: Sequence[Entry], setting: Setting, slug: Slugs) -> Table:
    blocks: dict[tuple[str, str, Kind], list[Entry]] = defaultdict(list)
    # Averages stand in for their tasks where a suite has nothing else here: a mean of means says no more.
    plain = {entry.result.suite for entry in entries if not is_average(entry.setting)}
    entries = [entry for entry in entries if not (is_average(entry.setting) and entry.result.suite in plain)]
    for entry in entries:
        blocks[entry.result.suite, entry.setting.track, _kind(entry)].append(entry)
    names = run_names(entries)
    columns: list[Column] = []
    cells: dict[RowKey, list[Cell]] = {key: [] for key in by_row(entries)}
    for (suite, track, kind), block in sorted(blocks.items()):
        inner = _suite_columns(block, slug)
        if not inner:
            continue
        means = _means(inner, list(by_row(block)))
        first = inner[0][0]
        tasks = f"{len(inner)} tasks" if len(inner) > 1 else "1 task"
        columns.append(
            Column(
                key="-".join(part for part in (suite, track, kind.family) if part),
                label=suite_name(suite),
                sub=show(", ".join(part for part in (track, kind.family, tasks) if part), 80),
                href=f"suites/{slug['suite'][suite]}.html",
                higher_is_better=first.higher_is_better,
                span=first.span,
            )
        )
        for key, row in cells.items():
            row.append(_brief(means.get(key, Cell())))
    rows = [table_row(key, entries, row, slug, names) for key, row in cells.items()]
    return Table(setting.id, setting_title(setting), setting, tuple(columns), in_order(rows, columns))


def _brief(cell: Cell) -> Cell:
    """Without how its interval was made, which the pages of suites and tasks say: the first page stays small."""
    return replace(cell, notes=tuple(note for note in cell.notes if not note.startswith("Interval:")))


def _kind(entry: Entry) -> Kind:
    metric = entry.primary
    if metric is None:
        return Kind("", (0.0, 0.0), True)
    return Kind(family(metric), metric.range, metric.higher_is_better)


def _category(entry: Entry) -> str:
    parts = entry.result.task.removeprefix(f"{entry.result.suite}.").split(".")
    return parts[0] if len(parts) > 1 else ""


def _category_name(category: str) -> str:
    return show(category.replace("_", " "), 48) or "other tasks"


def _category_id(setting: Setting, category: str) -> str:
    return safe_name(f"{setting.id}-{category or 'other'}")


def _category_table(categories: Mapping[str, list[Entry]], entries: Sequence[Entry], setting: Setting, slug: Slugs) -> Table:
    columns: list[Column] = []
    cells: dict[RowKey, list[Cell]] = {key: [] for key in by_row(entries)}
    for category, several in sorted(categories.items()):
        blocks: dict[Kind, list[Entry]] = defaultdict(list)
        for entry in several:
            blocks[_kind(entry)].append(entry)
        for kind, block in sorted(blocks.items()):
            inner = _suite_columns(block, slug)
            if not inner:
                continue
            first = inner[0][0]
            sub = f"{kind.family}, {len(inner)} task{'s' if len(inner) > 1 else ''}"
            key = f"{category}-{kind.family}"
            href = f"suites/{slug['suite'][block[0].result.suite]}.html#{_category_id(setting, category)}"
            columns.append(Column(key, _category_name(category), sub, href, first.higher_is_better, first.span))
            means = _means(inner, list(by_row(block)))
            for row_key, row in cells.items():
                row.append(means.get(row_key, Cell()))
    names = run_names(entries)
    rows = [table_row(key, entries, row, slug, names) for key, row in cells.items()]
    return Table(setting.id, setting_title(setting), setting, tuple(columns), in_order(rows, columns))


def _suite_table(entries: Sequence[Entry], setting: Setting, slug: Slugs, category: str = "") -> Table:
    columns = _suite_columns(entries, slug, category)
    names = run_names(entries)
    keys = list(by_row(entries))
    per_task = [task_cells(block, column_metric) for _, block, column_metric in columns]
    cells: dict[RowKey, list[Cell]] = {key: [cells[key][0] if key in cells else Cell() for cells in per_task] for key in keys}
    shown = [column for column, _, _ in columns]
    kinds = {_kind(block[0]) for _, block, _ in columns}
    if len(columns) > 1 and len(kinds) == 1 and not is_average(setting):
        means = _means(columns, keys)
        for key in keys:
            cells[key].insert(0, means.get(key, Cell()))
        shown.insert(0, Column("mean", "Mean", kinds.pop().family, "methods.html#mean", shown[0].higher_is_better, shown[0].span))
    rows = [table_row(key, entries, row, slug, names) for key, row in cells.items()]
    return Table(setting.id, setting_title(setting), setting, tuple(shown), in_order(rows, shown))


def _suite_columns(entries: Sequence[Entry], slug: Slugs, category: str = "") -> list[tuple[Column, list[Entry], str]]:
    blocks: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        blocks[entry.result.task, entry.result.primary].append(entry)
    columns = []
    for (task, primary), block in sorted(blocks.items()):
        metric = next((m for e in block if (m := e.primary) is not None), None)
        if metric is None:
            continue
        column = Column(
            key=f"{task}-{primary}",
            label=show(task.removeprefix(f"{block[0].result.suite}.").removeprefix(f"{category}."), 48),
            sub=show(metric.label, 40),
            href=f"tasks/{slug['task'][task]}.html",
            higher_is_better=metric.higher_is_better,
            span=metric.range,
            majority=majority(block, primary),
        )
        columns.append((column, block, primary))
    return columns


def _means(columns: Sequence[tuple[Column, list[Entry], str]], keys: Sequence[RowKey]) -> dict[RowKey, Cell]:
    per_task = [task_cells(block, metric) for _, block, metric in columns]
    if len(columns) == 1:
        return {key: cell for key, (cell, _) in per_task[0].items()}
    shown = [column for column, _, _ in columns]
    pairs = {key: mean_cell([cells.get(key, (Cell(), None)) for cells in per_task], shown) for key in keys}
    ranges = rank_ranges([estimate for _, estimate in pairs.values()], shown[0].higher_is_better)
    return {key: _ranked(cell, rank) for (key, (cell, _)), rank in zip(pairs.items(), ranges, strict=True)}


def _ranked(cell: Cell, rank: RankRange | None) -> Cell:
    return replace(cell, rank=rank)
