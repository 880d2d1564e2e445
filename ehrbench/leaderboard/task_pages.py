"""Tables of a task's page: every metric of every run, and subsets of the items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry, Setting
from ehrbench.leaderboard.layout import Slugs, by_setting, in_order, majority, run_names, setting_title, table_row
from ehrbench.leaderboard.tables import Cell, Column, Row, Table, by_row, metric_cell, ranked_column
from ehrbench.leaderboard.text import count, show
from ehrbench.leaderboard.text import slug as safe_name
from ehrbench.results.schema import MetricResult


def task_tables(entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """One table a setting; one column a metric, one row a configuration, and how much of the record was seen."""
    return [_task_table(own, setting, slug) for setting, own in by_setting(entries)]


def _task_table(entries: Sequence[Entry], setting: Setting, slug: Slugs) -> Table:
    metrics: dict[str, MetricResult] = {}
    primaries = Counter(entry.result.primary for entry in entries)
    for entry in entries:
        for metric in entry.result.metrics:
            metrics.setdefault(metric.name, metric)
    order = sorted(metrics, key=lambda name: (-primaries[name], list(metrics).index(name)))
    ranks = {name: ranked_column(entries, _picker(name)) for name in order}
    columns = [_metric_column(metrics[name], entries, slug) for name in order]
    seen = [entry for entry in entries if entry.result.context is not None and entry.result.kind == "run"]
    if seen:
        columns.append(Column("seen", "Record seen", "median share", "methods.html#seen"))
    if any(entry.result.kind == "run" for entry in entries):
        columns.append(
            Column("tokens", "Tokens", "prompt and answer", "methods.html#tokens", higher_is_better=False, span=(0, 1e9))
        )
    names = run_names(entries)
    rows = []
    for key, several in by_row(entries).items():
        for entry in several:
            cells = [metric_cell(entry.result.metric(name), entry, ranks[name].get(id(entry))) for name in order]
            if seen:
                cells.append(_seen_cell(entry))
            if any(column.key == "tokens" for column in columns):
                cells.append(_tokens_cell(entry))
            row = table_row(key, [entry], cells, slug, names)
            if len(several) > 1:
                sub = ", ".join(part for part in (row.sub, f"config {entry.result.config_hash[:10]}") if part)
                row = Row(row.key, row.label, show(sub, 120), row.kind, row.slug, row.badges, row.cells)
            rows.append(row)
    notes = tuple(dict.fromkeys(show(caveat) for entry in entries for caveat in entry.result.caveats))
    return Table(setting.id, setting_title(setting), setting, tuple(columns), in_order(rows, columns), notes[:20])


def strata_tables(table: Table, entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """Tables of subsets beside a task's table: one a dimension, the primary metric in one column a subset."""
    own = [entry for entry in entries if entry.setting == table.setting and entry.result.strata and not entry.hidden]
    dimensions = sorted({name.partition("=")[0] for entry in own for name in entry.result.strata})
    return [_strata_table(table, own, dimension, slug) for dimension in dimensions]


def _strata_table(table: Table, entries: Sequence[Entry], dimension: str, slug: Slugs) -> Table:
    names = sorted({n for entry in entries for n in entry.result.strata if n.partition("=")[0] == dimension})
    columns = []
    for name in names:
        metric = next((m for e in entries if (m := _stratum(e, name)) is not None), None)
        if metric is not None:
            label, sub = show(name.partition("=")[2] or name, 60), show(metric.label, 40)
            columns.append(Column(name, label, sub, "", metric.higher_is_better, metric.range))
    model_names = run_names(entries)
    rows = []
    for key, several in by_row(entries).items():
        for entry in several:
            cells = [_subset_cell(_stratum(entry, column.key), entry) for column in columns]
            rows.append(table_row(key, [entry], cells, slug, model_names))
    title = show(f"{table.title}: by {dimension}", 140)
    return Table(safe_name(f"{table.id}-by-{dimension}"), title, table.setting, tuple(columns), in_order(rows, columns))


def _stratum(entry: Entry, name: str) -> MetricResult | None:
    return next((m for m in entry.result.strata.get(name, ()) if m.name == entry.result.primary), None)


def _subset_cell(metric: MetricResult | None, entry: Entry) -> Cell:
    """A subset's number; it has no rank, and its n is not held against the run's."""
    if metric is None or (entry.guarded and (metric.n or 0) < MIN_GROUPS):
        return Cell()
    cell = metric_cell(metric, entry)
    n = "" if metric.n is None else f"n {count(metric.n)}"
    marks = ("partial",) if entry.result.partial else ()
    notes = tuple(note for note in cell.notes if note.startswith("Interval"))
    return replace(cell, n_text=n, marks=marks, notes=notes, n_items=None, n_expected=None)


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
