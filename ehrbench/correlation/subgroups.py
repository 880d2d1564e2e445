"""Scores of groups of patients, by what their records or a table say of them: does a model serve all of them alike?"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ehrbench.correlation.run_pairs import item_scores, read_run
from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.metrics import METRICS
from ehrbench.readers.item import Item
from ehrbench.readers.table import Columns, read_table
from ehrbench.runs.folder import RunFolder
from ehrbench.scoring.loaded import LoadedRun, find_runs, load_run
from ehrbench.stats.estimate import Estimate, estimate

SAID = {
    name: re.compile(rf"(?:<(?:{words})>|\b(?:{words}): ?)([^<,|\n]+)", re.IGNORECASE)
    for name, words in {"sex": "gender|sex", "race": "race", "ethnicity": "ethnicity"}.items()
}
"""How records name it: an element of MedAlign's markup, or a word and a colon."""
UNKNOWN = "not stated"
_LONGEST = 40
_HEAD = 50_000
"""Characters of a record that are searched: who the patient is stands at the start."""


class Subgroup(NamedTuple):
    """Some of a run's patients."""

    value: str
    items: int
    patients: int
    score: Estimate
    difference: float | None
    """Score less that of all other patients together; None: one of the two is not defined."""
    low: float | None
    """Of its 95 % interval."""
    high: float | None


class Subgroups(NamedTuple):
    """One run, by one trait."""

    task: str
    model: str
    protocol: str
    metric: str
    label: str
    by: str
    groups: Sequence[Subgroup]
    """Largest first."""


def subgroups(
    paths: Sequence[Path], by: str, table: Path | None = None, *, metric: str | None = None, data_dir: str | None = None
) -> list[Subgroups]:
    """The score of each group of patients, and how far it is from that of the others.

    Args:
        paths: folders of runs, or above them.
        by: ``sex``, ``race`` or ``ethnicity``, as records state them; a key of the items' ``meta``; or a column of ``table``.
        table: with a column ``patient`` (or ``subject_id``, ``person_id``) and the column ``by``.
        metric: its name; None: each task's primary one.
        data_dir: where the data are; None: where they were when it ran.

    Raises:
        UsageError: a run lacks the metric, nobody says what ``by`` is, or a table without these columns.
        MissingError: a run is not scored, or its data are not there.
    """
    known = _read(table, by) if table is not None else None
    return [_one(folder, by, known, metric, data_dir) for folder in find_runs(paths)]


def _one(folder: RunFolder, by: str, known: Mapping[str, str] | None, name: str | None, data_dir: str | None) -> Subgroups:
    run = read_run(folder)
    found, own = item_scores(run, name)
    loaded = load_run(folder, data_dir)
    values = _values(loaded, by, known)
    members: dict[str, list[Item]] = defaultdict(list)
    for item in loaded.items:
        if item.id in own:
            members[values[item.id]].append(item)
    if set(members) == {UNKNOWN}:
        raise UsageError(
            f"{folder.path}: nothing says the {by} of any patient; name a column of a table of patients with --table, or one of "
            f"{', '.join(SAID)} or of the items' own: {', '.join(sorted({k for i in loaded.items for k in i.meta})) or 'none'}"
        )
    everyone = [item for items in members.values() for item in items]
    metric = METRICS.get(found.name)
    bounds = metric.range if metric.bounded else None

    def score(items: Sequence[Item]) -> Estimate:
        statistics = np.array([own[item.id] for item in items], dtype=np.float64)
        return estimate(statistics, [item.group for item in items], metric.aggregate, bounds=bounds, unit="patients")

    groups = []
    for value, items in members.items():
        mine = {item.id for item in items}
        rest = [item for item in everyone if item.id not in mine]
        one = score(items)
        patients = len({(item.id,) if item.group is None else item.group for item in items})
        groups.append(Subgroup(value, len(items), patients, one, *_apart(one, score(rest) if rest else None)))
    groups.sort(key=lambda group: (-group.patients, group.value))
    return Subgroups(run.result.task, run.name, run.result.protocol, found.name, found.label, by, groups)


def _apart(one: Estimate, rest: Estimate | None) -> tuple[float | None, float | None, float | None]:
    """The difference of two independent values with an interval from theirs (MOVER; Newcombe 1998, Zou and Donner 2008)."""
    if rest is None or one.value is None or rest.value is None:
        return None, None, None
    apart = one.value - rest.value
    if one.low is None or one.high is None or rest.low is None or rest.high is None:
        return apart, None, None
    below = math.hypot(one.value - one.low, rest.high - rest.value)
    above = math.hypot(one.high - one.value, rest.value - rest.low)
    return apart, apart - below, apart + above


def _values(run: LoadedRun, by: str, known: Mapping[str, str] | None) -> dict[str, str]:
    if known is not None:
        return {item.id: known.get(item.group or "", UNKNOWN) for item in run.items}
    if any(by in item.meta for item in run.items):
        return {item.id: str(item.meta[by]) if by in item.meta else UNKNOWN for item in run.items}
    if by not in SAID:
        return {item.id: UNKNOWN for item in run.items}
    heads: dict[str | None, str] = {}
    found = {}
    for item in run.items:
        if item.record_id not in heads:
            heads[item.record_id] = _head(run, item.record_id)
        found[item.id] = _said(f"{item.slots.get('patient', '')}\n{heads[item.record_id]}", by)
    return found


def _head(run: LoadedRun, record_id: str | None) -> str:
    if record_id is None or run.load_record is None:
        return ""
    try:
        record = run.load_record(record_id)
    except EhrbenchError:  # a record that is not there says nothing of its patient
        return ""
    return f"{record.header}\n{record.text[:_HEAD]}"


def _said(text: str, by: str) -> str:
    for match in SAID[by].finditer(text):
        value = " ".join(match[1].split()).strip(" ;.")[:_LONGEST]
        if value and value.upper() not in ("NULL", "NONE", "NAN"):
            return value
    return UNKNOWN


def _read(path: Path, by: str) -> dict[str, str]:
    table = read_table(path, "the table of patients")
    names = {"patient": ("patient", "patient_id", "subject_id", "person_id", "person"), by: (by,)}
    columns = Columns(table, names, option=None)
    columns.require(names, "patient", by)
    found: dict[str, str] = {}
    for row in table.rows:
        patient, value = columns.get(row, "patient").strip(), columns.get(row, by).strip() or UNKNOWN
        if found.setdefault(patient, value) != value:
            raise UsageError(f"{table.place(row)}: this patient has two values of '{by}'; a patient is in one group")
    return found
