"""Who leads, by how much and how surely: one number for each model over some tasks of a suite, under one setting.

The number is the task's own metric where there is one task, the mean where all tasks are measured alike and every model has all
of them, and otherwise the mean win rate, which compares each pair of models on the tasks that both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from ehrbench.hashing import hash_data
from ehrbench.leaderboard.columns import TaskColumn
from ehrbench.leaderboard.entries import Entry, RowKey, paired_difference
from ehrbench.leaderboard.ranks import Better, Estimate, better_than, difference, letters, ranges_of
from ehrbench.leaderboard.tables import Cell, order_of
from ehrbench.leaderboard.text import count, interval, number, plural
from ehrbench.leaderboard.winrate import Season, TaskEstimates, WinRates, gap, printed_win_rates
from ehrbench.results.schema import MetricResult

MIN_COVERAGE = 0.5
"""Share of the tasks that a model must have to take part in win rates: few tasks say little, and may be the easy ones."""

Measure = Literal["metric", "mean", "win rate"]


@dataclass(frozen=True)
class Standing:
    """The order of the models over some tasks."""

    measure: Measure
    label: str
    """What the number is: "Accuracy", "Mean F1", "Mean win rate"."""
    span: tuple[float, float]
    higher_is_better: bool
    cells: Mapping[RowKey, Cell]
    """Every row's number, best first."""
    letters: Mapping[RowKey, str]
    n_tasks: int
    n_complete: int
    """Runs that have every task."""
    n_runs: int
    majority: float | None
    lead: tuple[RowKey, RowKey, Estimate] | None
    """First, second, and how far the first is ahead (positive is ahead); None with fewer than two ranked."""

    @property
    def ranked(self) -> list[RowKey]:
        """Rows with a rank, best first."""
        return [key for key, cell in self.cells.items() if cell.rank is not None]

    @property
    def first(self) -> list[RowKey]:
        """Rows that may stand in the first place."""
        return [key for key, cell in self.cells.items() if cell.rank is not None and cell.rank.best == 1]


class Stander:
    """Makes standings over all tasks of a suite and over parts of them, from the same draws."""

    def __init__(
        self, columns: Sequence[TaskColumn], averages: Mapping[str, Sequence[Entry]], shared: bool, means: bool = True
    ) -> None:
        """Prepare one suite under one setting.

        Args:
            columns: its tasks.
            averages: averages that were resampled over tasks jointly, by ``row_name``.
            shared: whether the same patients stand behind several tasks.
            means: whether means say anything; a mean of averages does not.
        """
        self._may_average = means
        self._columns = columns
        self._averages = averages
        self._rows = list(dict.fromkeys(key for column in columns for key in column.cells))
        needed = MIN_COVERAGE * len(columns)
        self._ranked = [key for key in self._rows if sum(key in column.estimates for column in columns) >= max(1, needed)]
        self._at = {key: k for k, key in enumerate(self._ranked)}
        self._shared = shared
        self._season: Season | None = None

    def standing(self, which: Sequence[int] | None = None) -> Standing:
        """The standing over all tasks, or over some by their number."""
        chosen = list(range(len(self._columns))) if which is None else list(which)
        columns = [self._columns[k] for k in chosen]
        rows = [key for key in self._rows if any(key in column.cells for column in columns)]
        runs = [key for key in rows if any(key in column.estimates for column in columns)]
        complete = [key for key in rows if _has_all(key, columns)]
        n_complete = sum(key in runs for key in complete)
        alike = len({column.kind for column in columns}) == 1
        needed = MIN_COVERAGE * len(columns)
        enough = [key for key in runs if sum(key in column.estimates for column in columns) >= needed]
        whole = n_complete == len(enough) if runs else bool(complete)
        if len(columns) == 1:
            cells, better = self._metric(columns[0], rows)
        elif alike and whole and self._may_average:
            cells, better = self._mean(columns, rows)
        else:
            cells, better, rates = self._win_rate(chosen, rows)
            return self._finish("win rate", columns, cells, better, runs, n_complete, rates)
        return self._finish("metric" if len(columns) == 1 else "mean", columns, cells, better, runs, n_complete)

    def means(self, which: Sequence[int]) -> dict[RowKey, Cell] | None:
        """Means of the rows that have every task, unranked; None where the tasks are not measured alike."""
        columns = [self._columns[k] for k in which]
        if len(columns) < 2 or len({column.kind for column in columns}) > 1 or not self._may_average:
            return None
        rows = [key for key in self._rows if any(key in column.cells for column in columns)]
        return {key: replace(cell, rank=None) for key, cell in self._mean(columns, rows)[0].items()}

    def _metric(self, column: TaskColumn, rows: Sequence[RowKey]) -> tuple[dict[RowKey, Cell], dict[tuple[RowKey, RowKey], bool]]:
        cells = {key: column.cells[key] for key in rows}
        keys = [key for key in rows if key in column.estimates]
        paired = {
            (i, j): (found.low or 0.0) > 0
            for i, a in enumerate(keys)
            if column.chosen[a].paired
            for j, b in enumerate(keys)
            if i != j and (found := paired_difference(column.chosen[a], column.chosen[b], column.primary)) is not None
        }
        better = better_than([column.estimates[key] for key in keys], column.higher_is_better, paired)
        return cells, _named(better, keys)

    def _mean(
        self, columns: Sequence[TaskColumn], rows: Sequence[RowKey]
    ) -> tuple[dict[RowKey, Cell], dict[tuple[RowKey, RowKey], bool]]:
        cells = {key: self._mean_cell(columns, key) for key in rows}
        keys = [key for key in rows if cells[key].low is not None and all(key in column.estimates for column in columns)]
        higher = columns[0].higher_is_better
        better = better_than([_estimate(cells[key]) for key in keys], higher)
        for key, rank in zip(keys, ranges_of(better), strict=True):
            cells[key] = replace(cells[key], rank=rank)
        for key in rows:
            if key.kind == "run" and cells[key].value is not None and cells[key].rank is None:
                cells[key] = replace(cells[key], notes=(*cells[key].notes, "Not ranked: a task in it is not."))
        return cells, _named(better, keys)

    def _mean_cell(self, columns: Sequence[TaskColumn], key: RowKey) -> Cell:
        """The mean over tasks, with the interval that was resampled over all of them where results hold it for these very runs.

        Otherwise the interval's ends are the means of the tasks' ends: exact if their errors move together, else too wide.
        """
        have = [column.cells[key] for column in columns if key in column.cells and column.cells[key].value is not None]
        metric = f"mean of {columns[0].kind.family}"
        if len(have) < len(columns):
            return Cell(missing=f"{len(have)} of {len(columns)} tasks", metric=metric)
        span = columns[0].kind.range
        printed = key.kind != "run"
        joint = self._joint(columns, key)
        marks = tuple(dict.fromkeys(mark for cell in have for mark in cell.marks if mark == "partial"))
        n = sum(cell.n for cell in have if cell.n is not None) if all(cell.n is not None for cell in have) else None
        n_text = plural(len(columns), "task") + (f", n {count(n)}" if n is not None else "")
        seeds = {len(column.chosen[key].runs) for column in columns if column.chosen[key].seeds}
        n_text += f", {' and '.join(map(str, sorted(seeds)))} seeds" if seeds else ""
        if joint is not None and joint.value is not None:
            low, high = joint.low, joint.high
            value = joint.value
            notes: tuple[str, ...] = (f"Interval: {joint.interval}.",)
        else:
            value = fmean(cell.value for cell in have if cell.value is not None)
            ends = [(cell.low, cell.high) for cell in have if cell.low is not None and cell.high is not None]
            whole = len(ends) == len(have)
            low, high = (fmean(e[0] for e in ends), fmean(e[1] for e in ends)) if whole else (None, None)
            notes = (
                ("Computed here from the printed values; the paper prints its averages by its own rules.",)
                if printed
                else ("Interval: means of the tasks' interval ends, too wide unless their errors go together.",)
                if whole
                else ()
            )
        return Cell(
            text=number(value, span),
            value=value,
            low=low,
            high=high,
            n=n,
            range_text=interval(low, high, span),
            n_text=n_text,
            notes=notes,
            marks=marks,
            metric=metric,
        )

    def _joint(self, columns: Sequence[TaskColumn], key: RowKey) -> MetricResult | None:
        """The stored average over exactly these runs: the hash of an average names its group, its tasks and their runs."""
        runs = sorted((column.task, column.chosen[key].result.config_hash) for column in columns)
        if any(cell.marks for column in columns if (cell := column.cells[key])):
            return None
        for entry in self._averages.get(row_name(key), ()):
            if entry.result.config_hash == hash_data([entry.result.task, "mean", runs]):
                found = entry.primary
                return found if found is not None and found.low is not None and found.low != found.high else None
        return None

    def _win_rate(
        self, which: Sequence[int], rows: Sequence[RowKey]
    ) -> tuple[dict[RowKey, Cell], dict[tuple[RowKey, RowKey], bool], WinRates | None]:
        columns = [self._columns[k] for k in which]
        have = {key: sum(key in c.cells and c.cells[key].value is not None for c in columns) for key in rows}
        if not self._ranked:
            return self._printed_win_rate(columns, rows, have), {}, None
        if self._season is None:
            tasks = [
                TaskEstimates(
                    {self._at[key]: one for key, one in column.estimates.items() if key in self._at}, column.higher_is_better
                )
                for column in self._columns
            ]
            self._season = Season(tasks, len(self._ranked), shared=self._shared)
        rates = self._season.win_rates(which)
        keys = [key for key in self._ranked if rates.estimates[self._at[key]] is not None]
        index = [self._at[key] for key in keys]
        better = rates.better[index][:, index] if index else rates.better[:0, :0]
        ranks = dict(zip(keys, ranges_of(better), strict=True))
        cells: dict[RowKey, Cell] = {}
        for key in rows:
            of = f"{have[key]} of {plural(len(columns), 'task')}"
            one = rates.estimates[self._at[key]] if key in self._at else None
            if one is None:
                few = ""
                if key.kind == "run":
                    few = ", too few to rank" if have[key] < MIN_COVERAGE * len(columns) else ", not ranked"
                cells[key] = Cell(missing=of + few, metric="mean win rate")
                continue
            cells[key] = Cell(
                text=number(one.value),
                value=one.value,
                low=one.low,
                high=one.high,
                range_text=interval(one.low, one.high, (0, 1)),
                n_text=of,
                n=rates.n_tasks[self._at[key]],
                rank=ranks.get(key),
                metric="mean win rate",
            )
        return cells, _named(better, keys), rates

    def _printed_win_rate(
        self, columns: Sequence[TaskColumn], rows: Sequence[RowKey], have: Mapping[RowKey, int]
    ) -> dict[RowKey, Cell]:
        at = {key: k for k, key in enumerate(rows)}
        tasks = [
            TaskEstimates(
                {at[k]: Estimate(c.value, c.value, c.value) for k, c in column.cells.items() if c.value is not None},
                column.higher_is_better,
            )
            for column in columns
        ]
        cells = {}
        for key, value in zip(rows, printed_win_rates(tasks, len(rows)), strict=True):
            of = f"{have[key]} of {plural(len(columns), 'task')}"
            note = ("Computed here from printed values, which have no interval.",)
            marks = ("partial",) if any("partial" in c.marks for column in columns if (c := column.cells.get(key))) else ()
            cells[key] = (
                Cell(missing=of, metric="mean win rate")
                if value is None
                else Cell(
                    text=number(value),
                    value=value,
                    n_text=of,
                    n=have[key],
                    notes=note if key.kind != "run" else (),
                    marks=marks,
                    metric="mean win rate",
                )
            )
        return cells

    def _finish(
        self,
        measure: Measure,
        columns: Sequence[TaskColumn],
        cells: Mapping[RowKey, Cell],
        better: Mapping[tuple[RowKey, RowKey], bool],
        runs: Sequence[RowKey],
        n_complete: int,
        rates: WinRates | None = None,
    ) -> Standing:
        higher = measure == "win rate" or columns[0].higher_is_better
        span = (0.0, 1.0) if measure == "win rate" else columns[0].kind.range
        order = sorted(cells, key=lambda key: order_of(cells[key], key.kind, higher))
        ranked = [key for key in order if cells[key].rank is not None]
        lead = None
        if len(ranked) > 1:
            a, b = ranked[:2]
            if rates is not None:
                ahead = gap(rates, self._at[a], self._at[b])
            else:
                ahead = difference(_estimate(cells[a]), _estimate(cells[b]))
                found = (
                    paired_difference(columns[0].chosen[a], columns[0].chosen[b], columns[0].primary)
                    if len(columns) == 1
                    else None
                )
                if found is not None and found.low is not None and found.high is not None:
                    ahead = Estimate(found.value, found.low, found.high)
            lead = (a, b, ahead if higher else Estimate(-ahead.value, -ahead.high, -ahead.low))
        known = [column.majority for column in columns if column.majority is not None]
        label = {
            "metric": columns[0].kind.family,
            "mean": f"Mean {columns[0].kind.family}",
            "win rate": "Mean win rate",
        }[measure]
        return Standing(
            measure,
            label,
            span,
            higher,
            {key: cells[key] for key in order},
            _letters(ranked, better),
            len(columns),
            n_complete,
            len(runs),
            fmean(known) if len(known) == len(columns) and measure != "win rate" else None,
            lead,
        )


def row_name(key: RowKey) -> str:
    """The name of a row in the mapping of averages."""
    return repr(tuple(key))


def _has_all(key: RowKey, columns: Sequence[TaskColumn]) -> bool:
    return all(key in column.cells and column.cells[key].value is not None for column in columns)


def _estimate(cell: Cell) -> Estimate:
    value = cell.value or 0.0
    return Estimate(value, value if cell.low is None else cell.low, value if cell.high is None else cell.high)


def _named(better: Better, keys: Sequence[RowKey]) -> dict[tuple[RowKey, RowKey], bool]:
    return {(keys[i], keys[j]): True for i, j in zip(*better.nonzero(), strict=True)}


def _letters(ranked: Sequence[RowKey], better: Mapping[tuple[RowKey, RowKey], bool]) -> dict[RowKey, str]:
    import numpy as np

    at = {key: k for k, key in enumerate(ranked)}
    matrix = np.zeros((len(ranked), len(ranked)), dtype=bool)
    for a, b in better:
        if a in at and b in at:
            matrix[at[a], at[b]] = True
    return {ranked[k]: text for k, text in letters(matrix, range(len(ranked))).items()}
