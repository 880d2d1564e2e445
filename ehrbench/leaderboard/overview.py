"""The first page: for every suite who leads and how surely, and one table of all models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ehrbench.leaderboard.columns import Kind
from ehrbench.leaderboard.entries import Entry, RowKey, Setting
from ehrbench.leaderboard.layout import (
    Section,
    Slugs,
    fullest_first,
    is_average,
    run_names,
    setting_parts,
    setting_title,
    table_row,
)
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.sentences import coverage_sentence, lead_sentence
from ehrbench.leaderboard.standing import Standing
from ehrbench.leaderboard.strip import strip_chart
from ehrbench.leaderboard.svg import Markup
from ehrbench.leaderboard.tables import Cell, Column, Table
from ehrbench.leaderboard.text import plural, show
from ehrbench.leaderboard.text import slug as safe_name

FEW_TASKS = 3
"""Tasks of different kinds up to which each kind has a chart of its own."""


class Board(NamedTuple):
    """One strip chart with its sentence."""

    id: str
    title: str
    suite: str
    tag: str
    """Track or kind, where a suite has several charts."""
    setting: str
    href: str
    sentence: str
    coverage: str
    figure: Markup | None
    n_models: int
    elsewhere: int
    """Models that have numbers under other settings of the suite only."""
    others: tuple[tuple[str, str], ...]
    """The other settings of the suite's track, as a name and a link: other windows, policies and prompts."""
    standing: Standing
    section: Section
    which: tuple[int, ...]


@dataclass(frozen=True)
class Tab:
    """What may stand side by side on the first page: one protocol, one kind of data."""

    id: str
    title: str
    note: str
    boards: tuple[Board, ...]
    table: Table


SectionMaker = Callable[[str, Setting, Sequence[Entry]], Section]

_TABS = {
    "clean": ("Our runs", "Runs under the clean protocol, which corrects the known defects of the published procedures."),
    "paper": ("Paper protocol", "Runs that repeat the published procedures, defects included, and the papers' rows beside them."),
    "published": ("Published", "Numbers printed in papers, with their source. Nobody ran them here and they are not ranked."),
    "sample": (
        "Synthetic sample",
        "Runs under the clean protocol on invented records: they show that the software works, not how good a model is.",
    ),
    "sample-paper": ("Synthetic sample, paper protocol", "Runs on invented records under the published procedures."),
}


def overview_tabs(entries: Sequence[Entry], slug: Slugs, names: Names, make: SectionMaker) -> list[Tab]:
    """The tabs that have anything, those of runs on real data first."""
    settings = {entry.setting for entry in entries if entry.result.kind == "run"}
    real = not settings or any(not setting.synthetic for setting in settings)
    found: dict[str, list[Entry]] = {name: [] for name in _TABS}
    for entry in entries:
        setting = entry.setting
        if entry.result.kind != "run":
            found["published"].append(entry)
            if setting in settings and setting.protocol == "paper":
                found["paper"].append(entry)
            continue
        sample = {"clean": "sample", "paper": "sample-paper"}
        found[sample[setting.protocol] if setting.synthetic else setting.protocol].append(entry)
    order = list(found) if real else ["sample", "sample-paper", "clean", "paper", "published"]
    return [_tab(name, found[name], slug, names, make) for name in order if found[name]]


def _tab(name: str, entries: Sequence[Entry], slug: Slugs, names: Names, make: SectionMaker) -> Tab:
    by_suite: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_suite[entry.result.suite].append(entry)
    boards: list[Board] = []
    for suite, own in sorted(by_suite.items(), key=lambda pair: names.suite_title(pair[0]).lower()):
        boards += _suite_boards(name, suite, own, slug, names, make)
    title, note = _TABS[name]
    return Tab(name, title, note, tuple(boards), _table(name, boards, entries, slug))


def _suite_boards(tab: str, suite: str, entries: Sequence[Entry], slug: Slugs, names: Names, make: SectionMaker) -> list[Board]:
    by_setting: dict[Setting, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_setting[entry.setting].append(entry)
    plain = any(not is_average(setting) for setting in by_setting)
    tracks: dict[str, list[Setting]] = defaultdict(list)
    for setting in by_setting:
        if not (plain and is_average(setting)):
            tracks[setting.track].append(setting)
    boards = []
    for _, settings in sorted(tracks.items()):
        best = min(settings, key=lambda s: fullest_first(s, by_setting[s]))
        section = make(suite, best, by_setting[best])
        shown = {entry.row for entry in by_setting[best]}
        elsewhere = len({e.row.name for s in settings for e in by_setting[s]} - {row.name for row in shown})
        for which in _parts(section):
            others = _others(suite, [setting for setting in settings if setting != best], slug)
            boards.append(_board(tab, section, which, elsewhere, others, slug, names, len(tracks) > 1))
    return [board for board in boards if board.standing.cells]


def _others(suite: str, settings: Sequence[Setting], slug: Slugs) -> tuple[tuple[str, str], ...]:
    ordered = sorted(settings, key=lambda setting: setting.order())
    return tuple(
        (
            " · ".join(setting_parts(s._replace(track=""))) or f"{s.protocol} protocol",
            f"suites/{slug['suite'][suite]}.html#{s.id}",
        )
        for s in ordered
    )


def _parts(section: Section) -> list[tuple[int, ...]]:
    """All tasks together; each kind of metric on its own where the tasks are few; each average on its own."""
    kinds: dict[Kind, list[int]] = defaultdict(list)
    for k, column in enumerate(section.columns):
        kinds[column.kind].append(k)
    if is_average(section.setting):
        return [(k,) for k in range(len(section.columns))]
    if len(kinds) > 1 and len(section.columns) <= FEW_TASKS:
        return [tuple(which) for _, which in sorted(kinds.items(), key=lambda pair: pair[1])]
    return [tuple(range(len(section.columns)))] if section.columns else []


def _board(
    tab: str,
    section: Section,
    which: tuple[int, ...],
    elsewhere: int,
    others: tuple[tuple[str, str], ...],
    slug: Slugs,
    names: Names,
    several: bool,
) -> Board:
    whole = len(which) == len(section.columns)
    standing = section.standing if whole and section.standing is not None else section.stander.standing(which)
    setting = section.setting
    tag = []
    if several and setting.track:
        tag.append(show(setting.track, 60))
    if not whole or (is_average(setting) and len(section.columns) == 1):
        tag.append(
            names.task(section.columns[which[0]].task).title
            if len(which) == 1
            else standing.label
            if standing.measure == "mean"
            else ""
        )
    title = names.suite_title(section.suite)
    anchor = safe_name("-".join([tab, section.suite, section.setting.id, *(str(k) for k in which[:1] if not whole)]))
    return Board(
        id=f"board-{anchor}",
        title=title,
        suite=section.suite,
        tag=", ".join(filter(None, tag)),
        setting=" · ".join([setting_title(setting._replace(track="", synthetic=False)), f"{standing.label}" + _over(standing)]),
        href=f"suites/{slug['suite'][section.suite]}.html#{section.setting.id}",
        sentence=lead_sentence(standing),
        coverage=coverage_sentence(standing),
        figure=strip_chart(standing, f"{title}{': ' + ', '.join(tag) if tag else ''}"),
        n_models=len(standing.cells),
        elsewhere=elsewhere,
        others=others,
        standing=standing,
        section=section,
        which=which,
    )


def _over(standing: Standing) -> str:
    return f", {plural(standing.n_tasks, 'task')}" if standing.n_tasks > 1 else ""


def _table(name: str, boards: Sequence[Board], entries: Sequence[Entry], slug: Slugs) -> Table:
    """One row a model, one column a chart, and how many of the tasks a model has."""
    columns: list[Column] = []
    cells: dict[RowKey, dict[int, Cell]] = defaultdict(dict)
    for k, board in enumerate(boards):
        standing = board.standing
        columns.append(
            Column(
                key=board.id,
                label=standing.label,
                sub=", ".join(
                    filter(None, [board.tag, *setting_parts(board.section.setting._replace(track="")), _over(standing)[2:]])
                ),
                href=board.href,
                higher_is_better=standing.higher_is_better,
                span=standing.span,
                majority=standing.majority,
                group=board.title,
            )
        )
        for key, cell in standing.cells.items():
            cells[_merged(key)].setdefault(k, _brief(cell))
    n_tasks = sum(board.standing.n_tasks for board in boards)
    have: dict[RowKey, set[tuple[int, str]]] = defaultdict(set)
    for k, board in enumerate(boards):
        for column in (board.section.columns[i] for i in board.which):
            for key, cell in column.cells.items():
                if cell.value is not None:
                    have[_merged(key)].add((k, column.task))
    columns.append(Column("coverage", "Coverage", "tasks with a number", span=(0, 1e9)))
    labels = run_names(entries)
    own: dict[RowKey, list[Entry]] = defaultdict(list)
    for entry in entries:
        own[_merged(entry.row)].append(entry)
    rows = []
    for key, by_board in cells.items():
        n = len(have[key])
        cover = Cell(text=f"{n}/{n_tasks}", value=float(n))
        row = table_row(key, own[key], [*(by_board.get(k, Cell()) for k in range(len(boards))), cover], slug, labels)
        rows.append(replace(row, badges=()) if name == "published" or name.startswith("sample") else row)
    rows.sort(key=lambda row: _row_order(row.cells, columns))
    return Table(f"table-{name}", f"All models: {_TABS[name][0]}", None, tuple(columns), tuple(rows))


def _row_order(cells: Sequence[Cell], columns: Sequence[Column]) -> tuple[object, ...]:
    """By the charts in their order: a model in more of them stands where the first one puts it."""
    order: list[object] = []
    for cell, column in zip(cells, columns, strict=True):
        value = cell.value
        rank = 0 if cell.rank is not None else 1
        order.append((value is None, rank, 0.0 if value is None else -value if column.higher_is_better else value))
    return tuple(order)


def _merged(key: RowKey) -> RowKey:
    """Rows of one published model from several papers are one row of the first page."""
    return key if key.kind == "run" else key._replace(source="", backend="", revision="", settings="{}")


def _brief(cell: Cell) -> Cell:
    """Without how its interval was made, which the pages of suites and tasks say: the first page stays small."""
    return replace(cell, notes=tuple(note for note in cell.notes if not note.startswith("Interval:")))
