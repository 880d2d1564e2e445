"""From entries to the tables of each page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry, RowKey, Setting
from ehrbench.leaderboard.ranks import RankRange, rank_ranges
from ehrbench.leaderboard.tables import (
    Cell,
    Column,
    Row,
    Table,
    by_row,
    make_row,
    mean_cell,
    metric_cell,
    ranked_column,
    task_cells,
)
from ehrbench.leaderboard.text import count, number, show, tokens
from ehrbench.leaderboard.text import slug as safe_name
from ehrbench.leaderboard.words import suite_name
from ehrbench.results.schema import MetricResult

Slugs = dict[str, dict[str, str]]
"""Slugs by kind (``model``, ``task``, ``suite``, ``metric``) and name."""


class View(NamedTuple):
    """Conditions of an overview: a setting without what differs between suites."""

    synthetic: bool
    protocol: str
    policy: str
    window: int | None


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
    return [table for table in tables if table.rows]


def suite_tables(entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """One table a setting; one column a task, and a mean where all tasks are measured alike."""
    return [_suite_table(own, setting, slug) for setting, own in _by_setting(entries)]


def task_tables(entries: Sequence[Entry], slug: Slugs) -> list[Table]:
    """One table a setting; one column a metric, one row a configuration, and how much of the record was seen."""
    return [_task_table(own, setting, slug) for setting, own in _by_setting(entries)]


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
    model_names = _names(entries)
    rows = []
    for key, several in by_row(entries).items():
        for entry in several:
            cells = [_subset_cell(_stratum(entry, column.key), entry) for column in columns]
            rows.append(_row(key, [entry], cells, slug, model_names))
    title = show(f"{table.title}: by {dimension}", 140)
    return Table(safe_name(f"{table.id}-by-{dimension}"), title, table.setting, tuple(columns), _sorted(rows, columns))


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


def _overview_table(entries: Sequence[Entry], setting: Setting, slug: Slugs) -> Table:
    blocks: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        blocks[entry.result.suite, entry.setting.track, entry.result.primary].append(entry)
    names = _names(entries)
    columns: list[Column] = []
    cells: dict[RowKey, list[Cell]] = {key: [] for key in by_row(entries)}
    for (suite, track, primary), block in sorted(blocks.items()):
        inner = _suite_columns(block, slug)
        if not inner:
            continue
        means = _means(block, inner, list(by_row(block)))
        first = inner[0][0]
        tasks = f"{len(inner)} tasks" if len(inner) > 1 else "1 task"
        columns.append(
            Column(
                key="-".join(part for part in (suite, track, primary) if part),
                label=suite_name(suite),
                sub=show(", ".join(part for part in (track, first.sub, tasks) if part), 80),
                href=f"suites/{slug['suite'][suite]}.html",
                higher_is_better=first.higher_is_better,
                span=first.span,
            )
        )
        for key, row in cells.items():
            row.append(means.get(key, Cell()))
    rows = [_row(key, entries, row, slug, names) for key, row in cells.items()]
    return Table(setting.id, _title(setting), setting, tuple(columns), _sorted(rows, columns))


def _suite_table(entries: Sequence[Entry], setting: Setting, slug: Slugs) -> Table:
    columns = _suite_columns(entries, slug)
    names = _names(entries)
    keys = list(by_row(entries))
    per_task = [task_cells(block, column_metric) for _, block, column_metric in columns]
    cells: dict[RowKey, list[Cell]] = {key: [cells[key][0] if key in cells else Cell() for cells in per_task] for key in keys}
    shown = [column for column, _, _ in columns]
    if len(columns) > 1 and len({metric for _, _, metric in columns}) == 1:
        means = _means(entries, columns, keys)
        for key in keys:
            cells[key].insert(0, means.get(key, Cell()))
        shown.insert(0, Column("mean", "Mean", shown[0].sub, "methods.html#mean", shown[0].higher_is_better, shown[0].span))
    rows = [_row(key, entries, row, slug, names) for key, row in cells.items()]
    return Table(setting.id, _title(setting), setting, tuple(shown), _sorted(rows, shown))


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
    names = _names(entries)
    rows = []
    for key, several in by_row(entries).items():
        for entry in several:
            cells = [metric_cell(entry.result.metric(name), entry, ranks[name].get(id(entry))) for name in order]
            if seen:
                cells.append(_seen_cell(entry))
            if any(column.key == "tokens" for column in columns):
                cells.append(_tokens_cell(entry))
            row = _row(key, [entry], cells, slug, names)
            if len(several) > 1:
                sub = ", ".join(part for part in (row.sub, f"config {entry.result.config_hash[:10]}") if part)
                row = Row(row.key, row.label, show(sub, 120), row.kind, row.slug, row.badges, row.cells)
            rows.append(row)
    notes = tuple(dict.fromkeys(show(caveat) for entry in entries for caveat in entry.result.caveats))
    return Table(setting.id, _title(setting), setting, tuple(columns), _sorted(rows, columns), notes[:20])


def _suite_columns(entries: Sequence[Entry], slug: Slugs) -> list[tuple[Column, list[Entry], str]]:
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
            label=show(task.removeprefix(f"{block[0].result.suite}."), 48),
            sub=show(metric.label, 40),
            href=f"tasks/{slug['task'][task]}.html",
            higher_is_better=metric.higher_is_better,
            span=metric.range,
            reference=_baseline(block, primary),
        )
        columns.append((column, block, primary))
    return columns


def _means(
    entries: Sequence[Entry], columns: Sequence[tuple[Column, list[Entry], str]], keys: Sequence[RowKey]
) -> dict[RowKey, Cell]:
    per_task = [task_cells(block, metric) for _, block, metric in columns]
    if len(columns) == 1:
        return {key: cell for key, (cell, _) in per_task[0].items()}
    shown = [column for column, _, _ in columns]
    pairs = {key: mean_cell([cells.get(key, (Cell(), None)) for cells in per_task], shown) for key in keys}
    ranges = rank_ranges([estimate for _, estimate in pairs.values()], shown[0].higher_is_better)
    return {key: _ranked(cell, rank) for (key, (cell, _)), rank in zip(pairs.items(), ranges, strict=True)}


def _ranked(cell: Cell, rank: RankRange | None) -> Cell:
    return replace(cell, rank=rank)


def _metric_column(metric: MetricResult, entries: Sequence[Entry], slug: Slugs) -> Column:
    sub = "" if metric.higher_is_better else "lower is better"
    return Column(
        key=metric.name,
        label=show(metric.label, 40),
        sub=sub,
        href=f"methods.html#metric-{slug['metric'][metric.name]}",
        higher_is_better=metric.higher_is_better,
        span=metric.range,
        reference=_baseline(entries, metric.name),
    )


def _baseline(entries: Sequence[Entry], name: str) -> str:
    values = [m.baseline for e in entries if (m := e.result.metric(name)) is not None and m.baseline is not None and not e.hidden]
    if not values:
        return ""
    metric = next(m for e in entries if (m := e.result.metric(name)) is not None)
    return f"majority {number(values[0], metric.range)}"


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


def _row(key: RowKey, entries: Sequence[Entry], cells: Iterable[Cell], slug: Slugs, names: Counter[str]) -> Row:
    return make_row(key, [e for e in entries if e.row == key], list(cells), slug["model"][key.name], names)


def _sorted(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Best first by the first column, missing last."""
    sign = -1 if not columns or columns[0].higher_is_better else 1

    def order(row: Row) -> tuple[bool, float]:
        value = row.cells[0].value if row.cells else None
        return (value is None, 0.0 if value is None else sign * value)

    return tuple(sorted(rows, key=order))


def _names(entries: Sequence[Entry]) -> Counter[str]:
    return Counter(key.name for key in {entry.row for entry in entries} if key.kind == "run")


def _by_setting(entries: Sequence[Entry]) -> list[tuple[Setting, list[Entry]]]:
    groups: dict[Setting, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.setting].append(entry)
    return sorted(groups.items(), key=lambda pair: pair[0].order())


def _title(setting: Setting) -> str:
    parts = [f"{setting.protocol} protocol"]
    if setting.track:
        parts.append(setting.track)
    if setting.policy:
        window = "any window" if setting.window is None else f"{tokens(setting.window)} tokens"
        parts.append(f"{setting.policy}, {window}")
    if setting.prompt != "default":
        parts.append(f"prompt “{setting.prompt}”")
    if setting.synthetic:
        parts.append("synthetic sample")
    title = show(" · ".join(parts), 120)
    return title[:1].upper() + title[1:]
