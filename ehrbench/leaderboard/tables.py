"""Tables as data: what a page shows and what its downloads hold are the same cells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry, RowKey, Setting, choose, comparable, greater_by_pairs
from ehrbench.leaderboard.ranks import Estimate, RankRange, rank_ranges
from ehrbench.leaderboard.text import count, interval, number, show
from ehrbench.results.schema import MetricResult


@dataclass(frozen=True)
class Column:
    """One column."""

    key: str
    """Unique within the table; part of permalinks."""
    label: str
    sub: str = ""
    """Second line of the heading."""
    href: str = ""
    """Page that explains the column, from the site's root."""
    higher_is_better: bool = True
    span: tuple[float, float] = (0.0, 1.0)
    numeric: bool = True
    majority: float | None = None
    """What the majority answer scores: the line to read the numbers against."""

    @property
    def majority_text(self) -> str:
        """The line as the heading says it."""
        return "" if self.majority is None else f"majority {number(self.majority, self.span)}"


@dataclass(frozen=True)
class Cell:
    """One number with what belongs beside it; an empty cell has no text."""

    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    n_items: int | None = None
    n_expected: int | None = None
    range_text: str = ""
    n_text: str = ""
    rank: RankRange | None = None
    notes: tuple[str, ...] = ()
    """Shown on demand."""
    marks: tuple[str, ...] = ()
    """Short words shown always: ``partial``, ``unranked``."""
    missing: str = ""
    """Why there is no number."""
    task: str = ""
    metric: str = ""


@dataclass(frozen=True)
class Row:
    """One model, or one row of a paper."""

    key: RowKey
    label: str
    sub: str
    kind: str
    slug: str
    badges: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table of one setting."""

    id: str
    title: str
    setting: Setting | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)
    part: bool = False
    """Whether it shows one category of the table before it."""

    @property
    def contested(self) -> tuple[bool, ...]:
        """Whether a column ranks more than one row: a sole rank says nothing."""
        return tuple(sum(row.cells[k].rank is not None for row in self.rows) > 1 for k in range(len(self.columns)))


def metric_cell(metric: MetricResult | None, entry: Entry, rank: RankRange | None = None) -> Cell:
    """The cell of one number of one result."""
    result = entry.result
    if metric is None:
        return Cell()
    base = Cell(task=result.task, metric=metric.name, n=metric.n, n_items=result.n_items, n_expected=result.n_whole)
    if entry.hidden:
        return Cell(task=result.task, metric=metric.name, missing=f"fewer than {MIN_GROUPS} patients")
    if metric.value is None:
        return replace(base, missing=show(metric.missing or "not computed", 160))
    printed = result.kind != "run"
    marks = []
    if result.partial:
        marks.append("partial")
    unanswered = 0 if result.n_items is None or metric.n is None else result.n_items - metric.n - metric.n_undefined
    notes = [metric.note] if metric.note else []
    if metric.interval:
        notes.append(f"Interval: {metric.interval}.")
    elif metric.low is None:
        notes.append("The paper prints no interval." if printed else "No interval was computed.")
    if unanswered > 0:
        marks.append(f"{unanswered} unanswered")
        if metric.strict_value is not None:
            notes.append(f"Over all items, unanswered ones counting as worst: {number(metric.strict_value, metric.range)}.")
    if metric.n_undefined:
        notes.append(f"Not defined for {metric.n_undefined} answered items.")
    if result.kind == "run" and rank is None:
        notes.append("Not ranked: " + _why_unranked(metric, entry) + ".")
    of = f"/{count(result.n_items)}" if result.n_items is not None and metric.n is not None and metric.n != result.n_items else ""
    return replace(
        base,
        text=number(metric.value, metric.range, printed),
        value=metric.value,
        low=metric.low,
        high=metric.high,
        range_text=interval(metric.low, metric.high, metric.range, printed),
        n_text="n not stated" if metric.n is None else f"n {count(metric.n)}{of}",
        rank=rank,
        notes=tuple(show(note) for note in notes),
        marks=tuple(marks),
    )


def ranked_column(entries: Sequence[Entry], pick: Callable[[Entry], MetricResult | None]) -> dict[int, RankRange]:
    """Rank ranges of one number over results of one task and setting, by ``id`` of the entry.

    Only results over the same items are ranked: those of the newest task version, with the commonest number of items.
    """
    estimates = {id(e): comparable(pick(e), e) for e in entries}
    sizes = Counter((e.result.task_version, e.result.n_items) for e in entries if estimates[id(e)] is not None)
    if not sizes:
        return {}
    base = max(sizes, key=lambda size: (size[0], sizes[size], size[1] or 0))
    same = [e for e in entries if (e.result.task_version, e.result.n_items) == base]
    first = next((m for e in same if (m := pick(e)) is not None), None)

    def paired(i: int, j: int) -> bool | None:
        return greater_by_pairs(same[i], same[j], first.name) if first else None

    ranges = rank_ranges([estimates[id(e)] for e in same], first.higher_is_better if first else True, paired)
    return {id(e): r for e, r in zip(same, ranges, strict=True) if r is not None}


def mean_cell(cells: Sequence[tuple[Cell, Entry | None]], columns: Sequence[Column]) -> tuple[Cell, Estimate | None]:
    """The mean over tasks, and its estimate when it may be ranked.

    Given only where every task of the table has a number, so that two means are always over the same tasks. Its interval's ends
    are the means of the tasks' ends: exact if the tasks' errors move together, too wide otherwise, never too narrow.
    """
    have = [cell for cell, _ in cells if cell.value is not None]
    if len(have) < len(columns):
        text = f"{len(have)} of {len(columns)} tasks" if have else ""
        return Cell(missing=text), None
    span = columns[0].span
    value = fmean(cell.value for cell in have if cell.value is not None)
    lows = [cell.low for cell in have if cell.low is not None]
    highs = [cell.high for cell in have if cell.high is not None]
    printed = any(entry is not None and entry.result.kind != "run" for _, entry in cells)
    whole = len(lows) == len(highs) == len(have)
    low, high = (fmean(lows), fmean(highs)) if whole else (None, None)
    n = sum(cell.n for cell in have if cell.n is not None) if all(cell.n is not None for cell in have) else None
    ranked = whole and all(cell.rank is not None for cell in have)
    marks = tuple(dict.fromkeys(mark for cell in have for mark in cell.marks if mark == "partial"))
    notes = ("Computed here from the printed values; the paper prints its averages by its own rules.",) if printed else ()
    cell = Cell(
        text=number(value, span),
        value=value,
        low=low,
        high=high,
        n=n,
        range_text=interval(low, high, span),
        n_text=f"{len(columns)} tasks" + (f", n {count(n)}" if n is not None else ""),
        notes=notes,
        marks=marks,
    )
    return cell, Estimate(value, min(low, value), max(high, value)) if ranked and low is not None and high is not None else None


def by_row(entries: Sequence[Entry]) -> dict[RowKey, list[Entry]]:
    """Entries of each row, rows in the order of their keys: runs first, then people, then papers."""
    rows: dict[RowKey, list[Entry]] = defaultdict(list)
    for entry in entries:
        rows[entry.row].append(entry)
    kinds = {"run": 0, "human": 1, "published": 2}
    return {key: rows[key] for key in sorted(rows, key=lambda k: (kinds.get(k.kind, 3), k.name.lower(), k))}


def make_row(key: RowKey, entries: Sequence[Entry], cells: Sequence[Cell], slug: str, names: Counter[str]) -> Row:
    """A row with its label; the variant is shown where a name occurs more than once, and the source of a published row always."""
    badges = []
    if key.kind != "run":
        badges.append("published" if key.kind == "published" else "people")
    if any(entry.result.source and entry.result.source.status == "derived" for entry in entries):
        badges.append("derived")
    if any(entry.result.synthetic for entry in entries):
        badges.append("synthetic")
    sub = key.variant().split(" (")[0] if key.kind != "run" else key.variant() if names[key.name] > 1 else ""
    return Row(key, show(key.name, 64), show(sub, 90), key.kind, slug, tuple(badges), tuple(cells))


def task_cells(entries: Sequence[Entry], metric: str) -> dict[RowKey, tuple[Cell, Entry]]:
    """One cell a row for one task and metric within one setting; several configurations of a row are noted."""
    chosen = {key: (choose(several), len(several)) for key, several in by_row(entries).items()}
    ranks = ranked_column([entry for entry, _ in chosen.values()], lambda e: e.result.metric(metric))
    cells: dict[RowKey, tuple[Cell, Entry]] = {}
    for key, (entry, n_configs) in chosen.items():
        cell = metric_cell(entry.result.metric(metric), entry, ranks.get(id(entry)))
        if n_configs > 1:
            cell = _with_note(cell, f"{n_configs} configurations were run; the task's page lists all.")
        cells[key] = (cell, entry)
    return cells


def _with_note(cell: Cell, note: str) -> Cell:
    return replace(cell, notes=(*cell.notes, note))


def _why_unranked(metric: MetricResult, entry: Entry) -> str:
    if entry.result.partial:
        return f"{entry.result.n_items} of {entry.result.n_whole} items were run"
    if metric.low is None or metric.high is None:
        return "there is no interval"
    if (
        metric.strict_value is None
        and metric.n is not None
        and entry.result.n_items is not None
        and metric.n < entry.result.n_items
    ):
        return "some items have no answer, and this metric has no value over all items"
    return "it was run on other items than the rest"
