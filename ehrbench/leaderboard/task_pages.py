"""The pages of tasks: every metric of every run, subsets of the items, and differences between the leading models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ehrbench.leaderboard.columns import TaskColumn, majority, rank_column, task_columns
from ehrbench.leaderboard.entries import MIN_GROUPS, Entry, RowKey, Setting, paired_difference
from ehrbench.leaderboard.layout import Slugs, by_setting, run_names, setting_title, table_row
from ehrbench.leaderboard.ranks import Estimate, difference
from ehrbench.leaderboard.tables import Cell, Column, Row, Table, by_row, in_order, metric_cell
from ehrbench.leaderboard.text import count, number, show
from ehrbench.leaderboard.text import slug as safe_name
from ehrbench.results.schema import MetricResult

MAX_MATRIX = 12
"""Models in the matrix of differences."""


def task_tables(entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """One table per setting; one column per metric, one row per configuration, and how much of the record was seen."""
    return [_task_table(own, setting, slug) for setting, own in by_setting(entries)]


def _task_table(entries: Sequence[Entry], setting: Setting, slug: Slugs) -> Table:
    metrics: dict[str, MetricResult] = {}
    primaries = Counter(entry.result.primary for entry in entries)
    for entry in entries:
        for metric in entry.result.metrics:
            metrics.setdefault(metric.name, metric)
    order = sorted(metrics, key=lambda name: (-primaries[name], list(metrics).index(name)))
    absent = [name for name in order if not any((m := e.result.metric(name)) and m.value is not None for e in entries)]
    order = [name for name in order if name not in absent] or order[:1]
    ranked = {name: rank_column(entries, _picker(name)) for name in order}
    columns = [_metric_column(metrics[name], entries, slug) for name in order]
    seen = [entry for entry in entries if entry.result.context is not None and entry.result.kind == "run"]
    if seen:
        columns.append(Column("seen", "Record seen", "median share", "methods.html#seen"))
    used = any(entry.result.kind == "run" and entry.result.usage.calls for entry in entries)
    if used:
        columns.append(
            Column("tokens", "Tokens", "prompt and answer", "methods.html#tokens", higher_is_better=False, span=(0, 1e9))
        )
    names = run_names(entries)
    rows = []
    for key, several in by_row(entries).items():
        for entry in several:
            cells = []
            for name in order:
                place = ranked[name]
                reason = place.reasons.get(id(entry), "")
                cells.append(metric_cell(entry.result.metric(name), entry, place.ranks.get(id(entry)), reason))
            if seen:
                cells.append(_seen_cell(entry))
            if used:
                cells.append(_tokens_cell(entry))
            row = table_row(key, [entry], cells, slug, names)
            if len(several) > 1:
                sub = ", ".join(part for part in (row.sub, f"config {entry.result.config_hash[:10]}") if part)
                row = Row(row.key, row.label, show(sub, 120), row.kind, row.slug, row.badges, row.cells)
            rows.append(row)
    notes = [_absent(metrics[name], entries) for name in absent if name not in order]
    notes += dict.fromkeys(show(caveat) for entry in entries for caveat in entry.result.caveats)
    return Table(setting.id, setting_title(setting), setting, tuple(columns), in_order(rows, columns), tuple(notes[:20]))


def _absent(metric: MetricResult, entries: Sequence[Entry]) -> str:
    """Why a metric has no column."""
    if all(entry.hidden for entry in entries):
        return f"{show(metric.label, 40)}: fewer than {MIN_GROUPS} patients."
    return show(f"{show(metric.label, 40)} was computed for no run here: {metric.missing or 'not computed'}.".replace("..", "."))


def strata_tables(table: Table, entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """Tables of subsets beside a task's table: one a dimension, the primary metric in one column a subset."""
    own = [entry for entry in entries if entry.setting == table.setting and entry.result.strata and not entry.hidden]
    dimensions = sorted({name.partition("=")[0] for entry in own for name in entry.result.strata})
    return [_strata_table(table, own, dimension, slug) for dimension in dimensions]


def _strata_table(table: Table, entries: Sequence[Entry], dimension: str, slug: Slugs) -> Table:
    names = sorted({n for entry in entries for n in entry.result.strata if n.partition("=")[0] == dimension})
    columns = []
    for name in names:
        metric = next((m for e in entries if (m := stratum(e, name)) is not None), None)
        if metric is not None:
            label, sub = show(name.partition("=")[2] or name, 60), show(metric.label, 40)
            columns.append(Column(name, label, sub, "", metric.higher_is_better, metric.range))
    model_names = run_names(entries)
    rows = []
    for key, several in by_row(entries).items():
        for entry in several:
            cells = [_subset_cell(stratum(entry, column.key), entry) for column in columns]
            rows.append(table_row(key, [entry], cells, slug, model_names))
    title = show(f"{table.title}: by {dimension}", 140)
    place = safe_name(f"{table.id}-by-{dimension}")
    return Table(place, title, table.setting, tuple(columns), in_order(rows, columns))


def stratum(entry: Entry, name: str) -> MetricResult | None:
    """The primary metric of a subset."""
    return next((m for m in entry.result.strata.get(name, ()) if m.name == entry.result.primary), None)


def _subset_cell(metric: MetricResult | None, entry: Entry) -> Cell:
    """A subset's number, over its answered items; it has no rank, and its n is not held against the run's."""
    if metric is None or (entry.guarded and (metric.n or 0) < MIN_GROUPS):
        return Cell()
    if metric.value is None:
        return Cell(missing=show(metric.missing or "not computed", 160))
    alone = entry.result.model_copy(update={"n_items": metric.n, "n_expected": None})
    cell = metric_cell(metric, Entry(alone, entry.row, entry.setting))
    notes = tuple(note for note in cell.notes if note.startswith("Interval"))
    marks = ("partial",) if entry.result.partial else ()
    n_text = "" if metric.n is None else f"n {count(metric.n)}"
    return Cell(
        text=cell.text,
        value=cell.value,
        low=cell.low,
        high=cell.high,
        n=metric.n,
        range_text=cell.range_text,
        n_text=n_text,
        notes=notes,
        marks=marks,
        caution=cell.caution,
        task=cell.task,
        metric=cell.metric,
    )


def differences(table: Table, entries: Sequence[Entry]) -> dict[str, Any] | None:
    """How far each of the leading models is ahead of each other, with intervals; None below two ranked models."""
    own = [entry for entry in entries if entry.setting == table.setting]
    columns = task_columns(own)
    if not columns:
        return None
    column = max(columns, key=lambda one: len(one.estimates))
    keys = sorted(
        column.estimates, key=lambda k: -column.estimates[k].value if column.higher_is_better else column.estimates[k].value
    )
    keys = keys[:MAX_MATRIX]
    if len(keys) < 2:
        return None
    span = column.kind.range
    rows = []
    for a in keys:
        cells: list[dict[str, str] | None] = []
        for b in keys:
            if a == b:
                cells.append(None)
                continue
            gap, paired = _gap(column, a, b)
            ahead = gap if column.higher_is_better else Estimate(-gap.value, -gap.high, -gap.low)
            css = "won" if ahead.low > 0 else "lost" if ahead.high < 0 else ""
            how = "item by item" if paired else "from the two intervals"
            ends = f"{number(gap.low, span)} to {number(gap.high, span)}"
            cells.append({"text": _signed(gap.value, span), "css": css, "said": f"{ends}, {how}"})
        rows.append({"name": show(a.name, 40), "cells": cells})
    return {
        "metric": column.kind.family,
        "names": [show(key.name, 40) for key in keys],
        "rows": rows,
        "more": len(column.estimates) - len(keys),
    }


def _gap(column: TaskColumn, a: RowKey, b: RowKey) -> tuple[Estimate, bool]:
    found = paired_difference(column.chosen[a], column.chosen[b], column.primary)
    if found is not None and found.low is not None and found.high is not None:
        return Estimate(found.value, found.low, found.high), True
    return difference(column.estimates[a], column.estimates[b]), False


def _signed(value: float, span: tuple[float, float]) -> str:
    text = number(value, span)
    return text if value < 0 or not float(text) else f"+{text}"


def _metric_column(metric: MetricResult, entries: Sequence[Entry], slug: Slugs) -> Column:
    sub = "" if metric.higher_is_better else "lower is better"
    return Column(
        key=metric.name,
        label=show(metric.label, 40),
        sub=sub,
        href=f"methods.html#metric-{slug['metric'][metric.name]}",
        higher_is_better=metric.higher_is_better,
        span=metric.range,
        majority=majority(entries, metric.name),
    )


def _seen_cell(entry: Entry) -> Cell:
    context = entry.result.context
    if context is None or context.share_seen_median is None or entry.hidden:
        return Cell()
    quartiles = context.share_seen_quartiles
    middle = "" if quartiles is None else f"{quartiles[0]:.0%}–{quartiles[1]:.0%}"
    cut = f"{count(context.n_records_cut)} cut"
    return Cell(text=f"{context.share_seen_median:.0%}", value=context.share_seen_median, range_text=middle, n_text=cut)


def _tokens_cell(entry: Entry) -> Cell:
    usage = entry.result.usage
    total = usage.prompt_tokens + usage.answer_tokens + usage.reasoning_tokens
    if not usage.calls or not total:
        return Cell()
    cost = f"${usage.cost:,.2f}" if usage.cost is not None else ""
    return Cell(text=count(total), value=float(total), range_text=cost, n_text=f"{count(usage.calls)} calls")


def _picker(name: str) -> Callable[[Entry], MetricResult | None]:
    return lambda entry: entry.result.metric(name)
