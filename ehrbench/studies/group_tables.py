"""Averages over groups of tasks, as `ehrbench run` prints them, for each model and setting of a question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ehrbench.results.groups import GroupResult
from ehrbench.results.schema import Result
from ehrbench.runs.folder import RunFolder
from ehrbench.scoring.groups import Scored, group_results
from ehrbench.scoring.loaded import load_run
from ehrbench.studies.numbers import marks, number
from ehrbench.studies.tables import Table
from ehrbench.tasks.catalog import Catalog

_FIELDS = ("group", "score", "combine", "tasks", "items", "value", "low", "high", "caution")


class Alike(NamedTuple):
    """The runs of one model under one set of settings, of a task under several seeds all of them."""

    about: Sequence[str]
    """The model and the settings, as the question's table shows them."""
    runs: Sequence[tuple[RunFolder, Result]]


def group_table(name: str, title: str, header: Sequence[str], rows: Iterable[Alike], catalog: Catalog) -> Table | None:
    """The averages of the groups of which a question has all tasks; None where it has none.

    Args:
        name: of the table's files.
        title: of the question.
        header: of ``Alike.about``.
        rows: in the order of the question's table.
        catalog: which tasks a group has.

    Raises:
        MissingError: the data of a run are not where they were; intervals need to know which items are one patient's.
    """
    found: list[tuple[Sequence[str], GroupResult]] = []
    for one in rows:
        if len({result.task for _, result in one.runs}) < 2:
            continue
        scored = [Scored(load_run(folder), result) for folder, result in one.runs]
        found += [(one.about, group) for group in group_results(scored, catalog, folders=catalog.folders) if _whole(group)]
    if not found:
        return None
    order = dict.fromkeys(group.group for _, group in found)
    found.sort(key=lambda pair: list(order).index(pair[1].group))
    cells, records, notes = [], [], ["of a group whose tasks are all here; in brackets: 95 % intervals"]
    for about, group in found:
        size = [str(group.n_tasks), str(group.n_items)]
        for score in group.scores:
            cells.append([group.title, *about, score.label, number(score), *size])
            values = [group.group, score.name, group.combine, *map(int, size), score.value, score.low, score.high, score.caution]
            records.append([*about, *values])
            notes += [f"! {score.caution}"] if score.caution else []
        notes += group.caveats
    if any(" seeds" in score.interval for _, group in found for score in group.scores):
        notes.append("of tasks under several seeds: means over the seeds, with intervals over items and seeds")
    notes += marks(
        any(group.synthetic for _, group in found), any(member.partial for _, group in found for member in group.members)
    )
    columns = ["group", *header, "score", "value", "tasks", "items"]
    numbers = frozenset(range(len(header) + 2, len(columns)))
    fields = ([*header, *_FIELDS], records)
    return Table(f"{name}-groups", f"{title}: averages over tasks", columns, cells, numbers, list(dict.fromkeys(notes)), fields)


def _whole(group: GroupResult) -> bool:
    """Whether a group has numbers of its own, over several tasks, all of which are here."""
    return 1 < group.n_tasks == group.n_tasks_expected and any(score.value is not None for score in group.scores)
