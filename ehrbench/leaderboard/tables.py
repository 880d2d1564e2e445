"""Tables as data: what a page shows and what its downloads hold are the same cells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ehrbench.leaderboard.entries import MIN_GROUPS, Entry, RowKey, Setting, over_all, unanswered
from ehrbench.leaderboard.ranks import RankRange
from ehrbench.leaderboard.text import count, interval, number, pad, show
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
    majority: float | None = None
    """What the majority answer scores: the line to read the numbers against."""
    group: str = ""
    """What stands over this column and its neighbours (a suite, a category)."""
    total: bool = False
    """Whether it sums up its group, and stays when the group is folded."""

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
    """Short words shown always: ``partial``, ``3 unanswered``."""
    missing: str = ""
    """Why there is no number."""
    caution: str = ""
    """One sentence that a reader of the number must see."""
    task: str = ""
    metric: str = ""
    href: str = ""
    """Page that has more of it, from the site's root."""


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
    letters: str = ""
    """Tie letters: rows that share one cannot be told apart by the first column."""


@dataclass(frozen=True)
class Table:
    """A table of one setting."""

    id: str
    title: str
    setting: Setting | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def contested(self) -> tuple[bool, ...]:
        """Whether a column ranks more than one row: a sole rank says nothing."""
        return tuple(sum(row.cells[k].rank is not None for row in self.rows) > 1 for k in range(len(self.columns)))


def metric_cell(metric: MetricResult | None, entry: Entry, rank: RankRange | None = None, unranked: str = "") -> Cell:
    """The cell of one number of one result.

    Args:
        metric: the number; None gives an empty cell.
        entry: the result it stands in.
        rank: its rank range.
        unranked: why it has none, where the number itself does not say.
    """
    result = entry.result
    if metric is None:
        return Cell()
    if entry.hidden:
        return Cell(task=result.task, metric=metric.name, missing=f"fewer than {MIN_GROUPS} patients")
    if metric.value is None:
        return Cell(task=result.task, metric=metric.name, missing=show(metric.missing or "not computed", 160))
    printed = result.kind != "run"
    shown = over_all(metric, result)
    missed = unanswered(metric, result)
    notes = []
    if metric.low is not None and metric.low == metric.high:
        notes.append("No interval: nothing varies between the items, so there is nothing to resample.")
    elif metric.interval:
        notes.append(f"Interval: {metric.interval}.")
    elif metric.low is None:
        notes.append("The paper prints no interval." if printed else "No interval was computed.")
    if missed and metric.strict_value is not None:
        notes.append(
            f"Over all items, one without an answer counting as worst; {number(metric.value, metric.range)} over the rest."
        )
    if metric.n_undefined:
        notes.append(f"Not defined for {metric.n_undefined} answered items.")
    if metric.note:
        notes.append(metric.note)
    if not printed and rank is None:
        notes.append("Not ranked: " + why_unranked(metric, entry, unranked) + ".")
    over = f", {len(entry.runs)} seeds" if entry.seeds else ""
    bounded = metric.low is not None and metric.high is not None and metric.low != metric.high
    of = f"/{count(result.n_items)}" if result.n_items is not None and metric.n is not None and metric.n != result.n_items else ""
    return Cell(
        task=result.task,
        metric=metric.name,
        text=number(shown.value, metric.range, printed),
        value=shown.value,
        low=shown.low if bounded else None,
        high=shown.high if bounded else None,
        n=metric.n,
        n_items=result.n_items,
        n_expected=result.n_whole,
        range_text=interval(shown.low, shown.high, metric.range, printed) if bounded else "",
        n_text="n not stated" if metric.n is None else f"n {count(metric.n)}{of}{over}",
        rank=rank,
        notes=tuple(show(note) for note in notes),
        marks=tuple(filter(None, ["partial" if result.partial else "", f"{missed} unanswered" if missed else ""])),
        caution=show(getattr(metric, "caution", None) or "", 200),
    )


def why_unranked(metric: MetricResult, entry: Entry, otherwise: str = "") -> str:
    """Why a number of a run has no rank."""
    result = entry.result
    if result.partial:
        return f"{result.n_items} of {result.n_whole} items were run"
    if metric.low is None or metric.high is None:
        return "there is no interval"
    if metric.low == metric.high:
        return "its interval has no width"
    if metric.strict_value is None and unanswered(metric, result):
        return "some items have no answer, and this metric has no value over all items"
    return otherwise or "it was run on other items than the rest"


def order_of(cell: Cell, kind: str, higher_is_better: bool) -> tuple[int, float]:
    """The place of a row: ranked numbers and complete published ones by value, then numbers that are not ranked, then none.

    A run that skipped items, or saw a part of them, thus never stands before one that answered all.
    """
    if cell.value is None:
        return (2, 0.0)
    return (0 if cell.rank is not None or kind != "run" else 1, -cell.value if higher_is_better else cell.value)


def in_order(rows: Iterable[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Best first by the number that ranks, in the first column; printed numbers of a column get equally many decimals."""
    rows = list(rows)
    higher = columns[0].higher_is_better if columns else True
    printed = [[row.cells[k].text for row in rows if row.kind != "run"] for k in range(len(columns))]
    decimals = [max((len(text.partition(".")[2]) for text in texts), default=0) for texts in printed]

    def even(row: Row) -> Row:
        if row.kind == "run":
            return row
        cells = (replace(c, text=pad(c.text, d)) if c.text else c for c, d in zip(row.cells, decimals, strict=True))
        return replace(row, cells=tuple(cells))

    return tuple(
        even(row) for row in sorted(rows, key=lambda row: order_of(row.cells[0] if row.cells else Cell(), row.kind, higher))
    )


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
