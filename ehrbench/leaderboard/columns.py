"""What one task says of every model under one setting: the chosen runs, their cells, and who is ranked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ehrbench.leaderboard.entries import Entry, RowKey, choose, comparable, paired_difference
from ehrbench.leaderboard.ranks import Estimate, RankRange, rank_ranges
from ehrbench.leaderboard.tables import Cell, by_row, metric_cell
from ehrbench.leaderboard.text import show
from ehrbench.results.schema import MetricResult

Pick = Callable[[Entry], MetricResult | None]


class Kind(NamedTuple):
    """What a primary metric measures: means are over one kind only."""

    family: str
    range: tuple[float, float]
    higher_is_better: bool


class Ranked(NamedTuple):
    """A number over the runs of one task and setting."""

    ranks: Mapping[int, RankRange]
    """By ``id`` of the entry."""
    estimates: Mapping[int, Estimate]
    reasons: Mapping[int, str]
    """Why an entry has no rank, where its number does not say."""


@dataclass(frozen=True)
class TaskColumn:
    """The primary metric of one task under one setting."""

    suite: str
    task: str
    primary: str
    kind: Kind
    higher_is_better: bool
    chosen: Mapping[RowKey, Entry]
    """The run of each row that tables show."""
    cells: Mapping[RowKey, Cell]
    estimates: Mapping[RowKey, Estimate]
    """Those that are ranked."""
    majority: float | None


def task_columns(entries: Sequence[Entry]) -> list[TaskColumn]:
    """The columns of one suite's entries of one setting, in the order of the tasks' names."""
    blocks: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        blocks[entry.result.task, entry.result.primary].append(entry)
    found = []
    for (task, primary), block in sorted(blocks.items()):
        metric = next((m for e in block if (m := e.primary) is not None), None)
        if metric is None:
            continue
        rows = by_row(block)
        chosen = {key: choose(several) for key, several in rows.items()}
        ranked = rank_column(block, lambda e: e.primary)
        cells: dict[RowKey, Cell] = {}
        for key, entry in chosen.items():
            cell = metric_cell(entry.primary, entry, ranked.ranks.get(id(entry)), ranked.reasons.get(id(entry), ""))
            if (n := len(rows[key])) > 1:
                cell = replace(cell, notes=(*cell.notes, f"{n} configurations were run; the task's page lists all."))
            cells[key] = cell
        estimates = {key: ranked.estimates[id(entry)] for key, entry in chosen.items() if id(entry) in ranked.estimates}
        kind = Kind(family(metric), metric.range, metric.higher_is_better)
        found.append(
            TaskColumn(
                block[0].result.suite,
                task,
                primary,
                kind,
                metric.higher_is_better,
                chosen,
                cells,
                estimates,
                majority(block, primary),
            )
        )
    return found


def rank_column(entries: Sequence[Entry], pick: Pick) -> Ranked:
    """Rank ranges of one number over results of one task and setting.

    One run of each model is ranked, the one that tables show. All must be of the newest task version and over the same items:
    as many as the largest run has, so that short runs never push a full one out.
    """
    chosen = [choose(several) for several in by_row(entries).values()]
    first = {id(entry) for entry in chosen}
    reasons = {id(e): "another configuration of this model is ranked" for e in entries if id(e) not in first}
    able = [(entry, estimate) for entry in chosen if (estimate := comparable(pick(entry), entry)) is not None]
    if not able:
        return Ranked({}, {}, reasons)
    base = max((entry.result.task_version, entry.result.n_items or 0) for entry, _ in able)
    same = [(e, estimate) for e, estimate in able if (e.result.task_version, e.result.n_items or 0) == base]
    metric = next(m for e, _ in same if (m := pick(e)) is not None)
    paired = {
        (i, j): (found.low or 0.0) > 0
        for i, (one, _) in enumerate(same)
        if one.paired
        for j, (other, _) in enumerate(same)
        if i != j and (found := paired_difference(one, other, metric.name)) is not None
    }
    ranges = rank_ranges([estimate for _, estimate in same], metric.higher_is_better, paired)
    ranks = {id(entry): place for (entry, _), place in zip(same, ranges, strict=True) if place is not None}
    return Ranked(ranks, {id(entry): estimate for entry, estimate in same}, reasons)


def family(metric: MetricResult) -> str:
    """What a metric measures, whatever its variant: "Accuracy" of "Accuracy (containment)"."""
    return show(metric.label, 40).split(" (")[0] or show(metric.name, 40)


def majority(entries: Sequence[Entry], name: str) -> float | None:
    """What the majority answer scores, by the run with most items; None where that is not defined."""
    known = [
        (entry.result.n_items or 0, metric.baseline)
        for entry in entries
        if not entry.hidden and (metric := entry.result.metric(name)) is not None and metric.baseline is not None
    ]
    return max(known)[1] if known else None
