"""People's rankings of systems' answers: one row a ranking, of one item by one rater."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.sheet import Sheet, shown
from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.readers.cells import annotator_order, read_yes_no
from ehrbench.readers.table import Table
from ehrbench.stats.win_rates import mid_ranks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

Triples = Literal["used", "mean-rank", "each"]
TRIPLES: tuple[Triples, ...] = ("used", "mean-rank", "each")

COLUMNS: Mapping[str, Sequence[str]] = {
    "item": ("item", "item_id", "instruction_id"),
    "rater": ("rater", "annotator", "annotator_num"),
    "system": ("system", "model", "model_name"),
    "rank": ("rank", "model_rank"),
    "correct": ("correct", "binary_correct"),
    "cluster": ("cluster", "patient", "person_id"),
    "used": ("used", "is_used_eval"),
    "length": ("length",),
}


@dataclass(frozen=True)
class Rankings:
    """Every ranking, items and systems in the order of their names."""

    source: str
    """The file's or the task's name."""
    items: tuple[str, ...]
    systems: tuple[str, ...]
    groups: tuple[str | None, ...]
    """The cluster of each item, usually its patient; None where it is unknown."""
    item: IntArray
    """[rankings]: which item."""
    raters: tuple[str, ...]
    """[rankings]."""
    ranks: FloatArray
    """[rankings, systems]; 1 = best, NaN = not ranked."""
    correct: FloatArray
    """[rankings, systems]: 1, 0, or NaN = no verdict."""
    used: BoolArray | None
    """[rankings, systems]: the judgements that the paper's tables count; None: the ratings do not say."""
    lengths: FloatArray | None = None
    """[items, systems]: length of the answers, where it is known."""
    notes: tuple[str, ...] = ()

    @property
    def n_raters(self) -> int:
        """How many people ranked."""
        return len(set(self.raters))

    @property
    def n_repeated(self) -> int:
        """Items with more than one ranking."""
        return int((np.bincount(self.item, minlength=len(self.items)) > 1).sum())

    def digest(self) -> str:
        """Hash of the judgements, whatever file they came in."""
        cells = [np.where(np.isnan(x), -1.0, x).tolist() for x in (mid_ranks(self.ranks), self.correct)]
        return hash_data([self.items, self.systems, self.groups, self.raters, self.item.tolist(), cells])


class Judged(NamedTuple):
    """The rankings that count, under a rule for items that several people ranked."""

    ranks: FloatArray
    """[rows, systems]."""
    correct: FloatArray
    """[rows, systems]."""
    item: IntArray
    """[rows]: which item; ascending."""
    weight: FloatArray
    """[rows]: 1 / rankings of the item."""
    rule: Triples
    notes: tuple[str, ...]


def read_ratings(source: Path | Table) -> Rankings:
    """Read a table ``item, rater, system, rank``; columns ``correct``, ``cluster``, ``used`` and ``length`` may be there.

    A rank that is not a number counts as missing and is counted; the same row twice counts once and is counted.

    Raises:
        MissingError: there is no such file.
        UsageError: a name is empty, one rater gives one answer two ranks, an item has two clusters, or there is one system
            only; the message names file and row.
    """
    sheet = Sheet(source, "the table of ratings", COLUMNS, ("item", "rater", "system", "rank"))
    rows: dict[tuple[str, str, str], tuple[float, float, bool, float]] = {}
    places: dict[tuple[str, str, str], int] = {}
    groups: dict[str, str] = {}
    for row in sheet:
        key = sheet.name(row, "item"), sheet.name(row, "rater"), sheet.name(row, "system")
        rank = sheet.number(row, "rank")
        correct = _verdict(sheet.columns.get(row, "correct")) if "correct" in sheet else math.nan
        if math.isnan(correct) and sheet.columns.get(row, "correct"):
            sheet.notes.add("'correct' is neither yes nor no, so the verdict counts as missing", row.number)
        used = read_yes_no(sheet.columns.get(row, "used")) is True
        length = sheet.number(row, "length") if "length" in sheet else math.nan
        values = (rank, correct, used, length)
        if key in rows:
            if not _same(rows[key], values):
                raise UsageError(
                    f"{sheet.place(row)}: rater {shown(key[1])} judges system {shown(key[2])} on item {shown(key[0])} a "
                    f"second time and differently from row {places[key]}; keep one of the two rows"
                )
            sheet.notes.add("the row repeats an earlier one and counts once", row.number)
        rows[key], places[key] = values, places.get(key, row.number)
        if (cluster := sheet.columns.get(row, "cluster")) and groups.setdefault(key[0], cluster) != cluster:
            raise UsageError(f"{sheet.place(row)}: item {shown(key[0])} is in another cluster than in an earlier row")
    made = build(
        sheet.path.name, rows, groups, with_used="used" in sheet, with_lengths="length" in sheet, odd=sheet.notes.told("rank")
    )
    notes = [*sheet.notes.sentences(), *made.notes]
    if "cluster" in sheet and (n := made.groups.count(None)):
        notes.append(f"{sheet.path.name}: {n} items have no cluster and are clusters of their own")
    return replace(made, notes=tuple(notes))


def build(
    source: str,
    rows: Mapping[tuple[str, str, str], tuple[float, float, bool, float]],
    groups: Mapping[str, str],
    *,
    with_used: bool,
    with_lengths: bool,
    odd: str = "",
) -> Rankings:
    """Make rankings of judgements.

    Args:
        source: where they are from, for messages.
        rows: (item, rater, system) to (rank, correct, used, length).
        groups: item to cluster.
        with_used: whether ``used`` says something.
        with_lengths: whether ``length`` does.
        odd: what is odd about the ranks that cannot be read, for the message.

    Raises:
        UsageError: no rows, fewer than two systems, or neither a rank nor a verdict.
    """
    items = sorted({item for item, _, _ in rows})
    systems = sorted({system for _, _, system in rows})
    if not rows:
        raise UsageError(f"{source}: it holds no ratings")
    if len(systems) < 2:
        raise UsageError(f"{source}: all ratings are of one system, {shown(systems[0])}; a ranking needs two or more")
    of_item = {item: i for i, item in enumerate(items)}
    of_system = {system: i for i, system in enumerate(systems)}
    keys = sorted({(item, rater) for item, rater, _ in rows}, key=lambda k: (k[0], annotator_order(k[1])))
    of_row = {key: i for i, key in enumerate(keys)}
    ranks, correct = (np.full((len(keys), len(systems)), np.nan) for _ in range(2))
    used = np.zeros(ranks.shape, dtype=bool)
    lengths = np.full((len(items), len(systems)), np.nan)
    for (item, rater, system), (rank, verdict, counted, length) in rows.items():
        cell = of_row[item, rater], of_system[system]
        ranks[cell], correct[cell], used[cell] = rank, verdict, counted
        if not math.isnan(length):
            lengths[of_item[item], of_system[system]] = length
    if np.isnan(ranks).all() and np.isnan(correct).all():
        why = f" ({odd})" if odd else ""
        raise UsageError(
            f"{source}: none of its {len(rows)} rows has a rank that can be read{why}; expected a number in the column 'rank', 1 "
            "for the best"
        )
    notes = []
    if n := int(np.isnan(ranks).sum()):
        notes.append(f"{source}: {n} of {ranks.size} answers have no rank (their pairs are left out of the item)")
    return Rankings(
        source=source,
        items=tuple(items),
        systems=tuple(systems),
        groups=tuple(groups.get(item) for item in items),
        item=np.array([of_item[item] for item, _ in keys], dtype=np.intp),
        raters=tuple(rater for _, rater in keys),
        ranks=ranks,
        correct=correct,
        used=used if with_used else None,
        lengths=lengths if with_lengths else None,
        notes=tuple(notes),
    )


def judge(rankings: Rankings, rule: Triples | None = None) -> Judged:
    """Decide which rankings count where several people ranked an item.

    ``used``: the judgements that are marked as used in the paper's tables. ``mean-rank``: the raters' mid-ranks averaged and
    ranked again, verdicts averaged. ``each``: every ranking by itself, averaged within the item. None: ``used`` where the ratings
    say which are, or where nothing is ranked twice; else ``each``.

    Raises:
        UsageError: ``used`` without marks, though items have several rankings.
    """
    notes: list[str] = []
    repeated = rankings.n_repeated
    if rule is None:
        rule = "used" if rankings.used is not None or not repeated else "each"
    if rule == "used" and rankings.used is None and repeated:
        raise UsageError(
            f"{rankings.source}: {repeated} items have several rankings and no column 'used' says which one counts; "
            "add one, or choose --triples mean-rank or each"
        )
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, item in enumerate(rankings.item.tolist()):
        rows_of[item].append(row)
    if rule == "each":
        sizes = np.bincount(rankings.item, minlength=len(rankings.items))
        return Judged(rankings.ranks, rankings.correct, rankings.item, 1.0 / sizes[rankings.item], rule, ())
    places = np.array(sorted(rows_of), dtype=np.intp)
    ranks, correct = (np.full((len(places), len(rankings.systems)), np.nan) for _ in range(2))
    again = mid_ranks(rankings.ranks)
    several = without = 0
    for k, item in enumerate(places.tolist()):
        rows = rows_of[item]
        if rule == "mean-rank":
            ranks[k], correct[k] = _column_means(again[rows]), _column_means(rankings.correct[rows])
            continue
        if rankings.used is None:
            ranks[k], correct[k] = rankings.ranks[rows[0]], rankings.correct[rows[0]]
            continue
        marked = rankings.used[rows].sum(axis=1)
        several += int((marked > 0).sum() > 1)
        without += int(not marked.any())
        chosen = rows[int(np.argmax(marked))]
        ranks[k] = np.where(rankings.used[chosen], rankings.ranks[chosen], np.nan)
        correct[k] = np.where(rankings.used[chosen], rankings.correct[chosen], np.nan)
    if several:
        notes.append(
            f"{rankings.source}: on {several} items several raters' judgements are marked as used; the first rater's count"
        )
    if without:
        notes.append(f"{rankings.source}: on {without} items no judgement is marked as used, so they have no ranking here")
    return Judged(ranks, correct, places, np.ones(len(places)), rule, tuple(notes))


def _column_means(values: FloatArray) -> FloatArray:
    n = (~np.isnan(values)).sum(axis=0)
    out = np.full(values.shape[1], np.nan)
    np.divide(np.nansum(values, axis=0), n, out=out, where=n > 0)
    return out


def _verdict(text: str) -> float:
    verdict = read_yes_no(text)
    return math.nan if verdict is None else float(verdict)


def _same(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True))
