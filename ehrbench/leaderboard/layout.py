"""What all pages' tables share: rows and their order, settings and their titles."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ehrbench.leaderboard.entries import Entry, RowKey, Setting
from ehrbench.leaderboard.tables import Cell, Column, Row, make_row
from ehrbench.leaderboard.text import pad, show, tokens
from ehrbench.results.groups import AVERAGES_TRACK
from ehrbench.results.schema import MetricResult

Slugs = dict[str, dict[str, str]]
"""Slugs by kind (``model``, ``task``, ``suite``, ``metric``) and name."""


def is_average(setting: Setting) -> bool:
    """Whether a table holds averages of tasks that stand in others."""
    return AVERAGES_TRACK in setting.track.split(", ")


def family(metric: MetricResult) -> str:
    """What a metric measures, whatever its variant: "Accuracy" of "Accuracy (containment)"."""
    return show(metric.label, 40).split(" (")[0] or show(metric.name, 40)


def in_order(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Best first by the first column, missing last; printed numbers of a column get equally many decimals."""
    sign = -1 if not columns or columns[0].higher_is_better else 1

    def order(row: Row) -> tuple[bool, float]:
        value = row.cells[0].value if row.cells else None
        return (value is None, 0.0 if value is None else sign * value)

    printed = [[row.cells[k].text for row in rows if row.kind != "run"] for k in range(len(columns))]
    decimals = [max((len(text.partition(".")[2]) for text in texts), default=0) for texts in printed]

    def even(row: Row) -> Row:
        if row.kind == "run":
            return row
        return replace(
            row, cells=tuple(replace(c, text=pad(c.text, d)) if c.text else c for c, d in zip(row.cells, decimals, strict=True))
        )

    return tuple(even(row) for row in sorted(rows, key=order))


def run_names(entries: Sequence[Entry]) -> Counter[str]:
    """How many rows of runs have each model name: shared names need their variant shown."""
    return Counter(key.name for key in {entry.row for entry in entries} if key.kind == "run")


def by_setting(entries: Sequence[Entry]) -> list[tuple[Setting, list[Entry]]]:
    """Entries of each setting, in order: settings with runs before those of papers alone, averages before single tasks."""
    groups: dict[Setting, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.setting].append(entry)

    def order(pair: tuple[Setting, list[Entry]]) -> tuple[object, ...]:
        setting, own = pair
        printed = all(entry.result.kind != "run" for entry in own)
        return (printed, setting.synthetic, setting.protocol, not is_average(setting), setting.order())

    return sorted(groups.items(), key=order)


def setting_title(setting: Setting) -> str:
    """A setting as a heading."""
    parts = [f"{setting.protocol} protocol"]
    if setting.track:
        parts.append(setting.track)
    if setting.policy:
        window = "window not limited" if setting.window is None else f"{tokens(setting.window)} tokens"
        parts.append(f"{setting.policy}, {window}")
    if setting.prompt != "default":
        parts.append(f"prompt “{setting.prompt}”")
    if setting.synthetic:
        parts.append("synthetic sample")
    title = show(" · ".join(parts), 120)
    return title[:1].upper() + title[1:]


def table_row(key: RowKey, entries: Sequence[Entry], cells: Iterable[Cell], slug: Slugs, names: Counter[str]) -> Row:
    """The row of ``key`` in a table of ``entries``."""
    return make_row(key, [e for e in entries if e.row == key], list(cells), slug["model"][key.name], names)


def majority(entries: Sequence[Entry], name: str) -> float | None:
    """What the majority answer scores, by the run with most items; None where that is not defined."""
    known = [
        (entry.result.n_items or 0, metric.baseline)
        for entry in entries
        if not entry.hidden and (metric := entry.result.metric(name)) is not None and metric.baseline is not None
    ]
    return max(known)[1] if known else None
