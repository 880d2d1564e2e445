"""What all pages' tables share: settings and their titles, sections of a suite, labels of tasks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ehrbench.leaderboard.columns import TaskColumn, task_columns
from ehrbench.leaderboard.entries import Entry, RowKey, Setting
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.standing import Stander, Standing, row_name
from ehrbench.leaderboard.tables import Cell, Row, make_row
from ehrbench.leaderboard.text import show, tokens
from ehrbench.results.groups import AVERAGES_TRACK

Slugs = dict[str, dict[str, str]]
"""Slugs by kind (``model``, ``task``, ``suite``, ``metric``) and name."""


class Category(NamedTuple):
    """Some tasks of a suite that go together."""

    name: str
    title: str
    which: tuple[int, ...]
    """Their numbers among the section's tasks."""


@dataclass(frozen=True)
class Section:
    """One suite under one setting."""

    suite: str
    setting: Setting
    entries: tuple[Entry, ...]
    columns: tuple[TaskColumn, ...]
    stander: Stander
    standing: Standing | None
    """None where no task has a number."""
    categories: tuple[Category, ...]

    @property
    def runs(self) -> bool:
        """Whether anything was run here."""
        return any(entry.result.kind == "run" for entry in self.entries)

    @property
    def rows(self) -> list[RowKey]:
        """Every row that has a number or a reason for having none."""
        return list(self.standing.cells) if self.standing else []


def make_section(suite: str, setting: Setting, entries: Sequence[Entry], averages: Sequence[Entry], names: Names) -> Section:
    """A section of the entries of one suite and setting.

    Args:
        suite: the suite.
        setting: of every entry.
        entries: what the section shows.
        averages: the suite's stored averages, of any setting.
        names: of categories, and whether the suite's tasks share patients.
    """
    columns = task_columns(entries)
    stored: dict[str, list[Entry]] = defaultdict(list)
    for entry in averages:
        stored[row_name(entry.row)].append(entry)
    stander = Stander(columns, stored, names.shares_patients(suite), means=not is_average(setting))
    found: dict[str, list[int]] = defaultdict(list)
    for k, column in enumerate(columns):
        found[_category(column)].append(k)
    categories = [Category(name, names.category(suite, name), tuple(which)) for name, which in sorted(found.items())]
    whole = len(categories) < 2 or len(categories) == len(columns) or is_average(setting)
    standing = stander.standing() if columns else None
    return Section(suite, setting, tuple(entries), tuple(columns), stander, standing, () if whole else tuple(categories))


def is_average(setting: Setting) -> bool:
    """Whether a table holds averages of tasks that stand in others."""
    return AVERAGES_TRACK in setting.track.split(", ")


def run_names(entries: Sequence[Entry]) -> Counter[str]:
    """How many rows of runs have each model name: shared names need their variant shown."""
    return Counter(key.name for key in {entry.row for entry in entries} if key.kind == "run")


def by_setting(entries: Sequence[Entry]) -> list[tuple[Setting, list[Entry]]]:
    """Entries of each setting, in order: settings with runs before those of papers alone, single tasks before averages.

    Of a track's settings the one with most models stands first, as it does on the first page.
    """
    groups: dict[Setting, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.setting].append(entry)

    def order(pair: tuple[Setting, list[Entry]]) -> tuple[object, ...]:
        setting, own = pair
        printed = all(entry.result.kind != "run" for entry in own)
        return (printed, setting.synthetic, setting.protocol, is_average(setting), setting.track, fullest_first(setting, own))

    return sorted(groups.items(), key=order)


def fullest_first(setting: Setting, entries: Sequence[Entry]) -> tuple[object, ...]:
    """Orders the settings of a track by the number of their models."""
    rows = {entry.row for entry in entries if not entry.hidden and not entry.result.partial}
    return (-len(rows), setting.prompt != "default", setting.order())


def setting_title(setting: Setting) -> str:
    """A setting as a heading."""
    parts = [f"{setting.protocol} protocol", *setting_parts(setting)]
    if setting.synthetic:
        parts.append("synthetic sample")
    title = show(" · ".join(parts), 120)
    return title[:1].upper() + title[1:]


def setting_parts(setting: Setting) -> list[str]:
    """What a setting is beside its protocol and its data."""
    parts = [setting.track] if setting.track else []
    if setting.policy:
        parts.append(_fitting(setting.policy, setting.window))
    if setting.prompt != "default":
        parts.append(f"prompt “{setting.prompt}”")
    return [show(part, 80) for part in parts]


def _fitting(policy: str, window: int | None) -> str:
    """How records were made to fit, in words."""
    if window is None:
        return "whole records" if policy.startswith("truncate") else f"{policy}, window not limited"
    size = f"{tokens(window)} tokens"
    words = {
        "truncate-end": f"the record’s end in {size}",
        "truncate-start": f"the record’s beginning in {size}",
        "full": f"whole records in {size}",
        "refine": f"the record in pieces, {size} at a time",
        "retrieve": f"passages of the record in {size}",
    }
    return words.get(policy, f"{policy}, {size}")


def table_row(key: RowKey, entries: Sequence[Entry], cells: Sequence[Cell], slug: Slugs, names: Counter[str]) -> Row:
    """The row of ``key`` with its own entries."""
    return make_row(key, entries, cells, slug["model"][key.name], names)


def _category(column: TaskColumn) -> str:
    parts = column.task.removeprefix(f"{column.suite}.").split(".")
    return parts[0] if len(parts) > 1 else ""
