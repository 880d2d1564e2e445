"""The pages of suites: under each setting who leads, and a map of models and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ehrbench.leaderboard.entries import RowKey
from ehrbench.leaderboard.layout import Section, Slugs, is_average, run_names, setting_title, table_row
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.sentences import coverage_sentence, lead_sentence
from ehrbench.leaderboard.standing import Standing
from ehrbench.leaderboard.strip import strip_chart
from ehrbench.leaderboard.tables import Cell, Column, Table, by_row
from ehrbench.leaderboard.text import plural, show

MAX_STRIP = 8
"""Models in the chart of a section: the map below it has all."""


def section_view(section: Section, slug: Slugs, names: Names) -> dict[str, Any]:
    """A section as the template shows it."""
    standing = section.standing
    title = setting_title(section.setting)
    return {
        "id": section.setting.id,
        "title": title,
        "setting": section.setting,
        "runs": section.runs,
        "sentence": lead_sentence(standing) if standing else "",
        "coverage": coverage_sentence(standing) if standing else "",
        "figure": strip_chart(standing, f"{names.suite_title(section.suite)}, {title}", MAX_STRIP) if standing else None,
        "table": section_table(section, slug, names),
        "average": is_average(section.setting),
    }


def section_table(section: Section, slug: Slugs, names: Names) -> Table:
    """The standing, its coverage, and each task; a category's own standing stands before its tasks."""
    standing = section.standing
    entries = by_row(section.entries)
    labels = run_names(section.entries)
    columns: list[Column] = []
    cells: list[Mapping[RowKey, Cell]] = []
    if standing is None:
        return Table(section.setting.id, setting_title(section.setting), section.setting, (), ())
    if len(section.columns) > 1:
        columns.append(_standing_column("standing", standing, standing.label, ""))
        cells.append(standing.cells)
        means = section.stander.means(range(len(section.columns))) if standing.measure == "win rate" else None
        if means is not None and any(cell.value is not None for cell in means.values()):
            kind = section.columns[0].kind
            complete = sum(cell.value is not None for cell in means.values())
            sub = f"{complete} of {len(means)} complete"
            columns.append(Column("mean", f"Mean {kind.family}", sub, "methods.html#mean", kind.higher_is_better, kind.range))
            cells.append(means)
    if section.categories:
        for category in section.categories:
            inner = section.stander.standing(category.which)
            if len(category.which) > 1:
                label = f"{category.title}: {inner.label[:1].lower()}{inner.label[1:]}"
                columns.append(replace(_standing_column(f"all-{category.name}", inner, label, category.title), total=True))
                cells.append(inner.cells)
            for k in category.which:
                columns.append(_task_column(section, k, slug, names, category.title if len(category.which) > 1 else ""))
                cells.append(section.columns[k].cells)
    else:
        for k, column in enumerate(section.columns):
            columns.append(_task_column(section, k, slug, names, ""))
            cells.append(column.cells)
    rows = []
    for key in standing.cells:
        row = table_row(key, entries[key], [by.get(key, Cell()) for by in cells], slug, labels)
        rows.append(replace(row, letters=standing.letters.get(key, "")))
    return Table(section.setting.id, setting_title(section.setting), section.setting, tuple(columns), tuple(rows))


def _standing_column(key: str, standing: Standing, label: str, group: str) -> Column:
    return Column(
        key=key,
        label=show(label, 80),
        sub=plural(standing.n_tasks, "task"),
        href="methods.html#win-rate" if standing.measure == "win rate" else "methods.html#mean",
        higher_is_better=standing.higher_is_better,
        span=standing.span,
        majority=standing.majority,
        group=group,
    )


def _task_column(section: Section, k: int, slug: Slugs, names: Names, group: str) -> Column:
    column = section.columns[k]
    return Column(
        key=f"{column.task}-{column.primary}",
        label=names.task(column.task).title,
        sub=column.kind.family,
        href=f"tasks/{slug['task'][column.task]}.html#{section.setting.id}",
        higher_is_better=column.higher_is_better,
        span=column.kind.range,
        majority=column.majority,
        group=group,
    )
