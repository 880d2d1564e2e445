"""The cohort's events laid aside on disk, in stretches of neighbouring admissions, so that each is read once more and no more.

A release's tables are in the order of patients, and lists are written in the order of admissions. A row that a table has twice
is laid aside once: reduced rows hold their table's key (an admission of the cohort has one stay), so equal ones are one event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ehrbench.mimic.cohort import Cohort
from ehrbench.mimic.events import reduced_rows
from ehrbench.mimic.stretches import Staged, lay_aside
from ehrbench.mimic.tables import Mimic

STRETCH = 2000
"""Admissions of the cohort in a stretch."""


def stage_events(
    mimic: Mimic,
    cohort: Cohort,
    work: Path,
    types: Iterable[str],
    progress: Callable[[str], None],
    *,
    keep_repeated: bool = False,
) -> Mapping[str, Staged]:
    """Stream each table once, reduce it to the cohort's events and lay them aside, by event type.

    Args:
        mimic: the release.
        cohort: whose events.
        work: a folder for them.
        types: of events.
        progress: told what is being read.
        keep_repeated: leave rows that a table has twice, as the authors' code does.
    """
    firsts = cohort.admissions["hadm_id"].gather_every(STRETCH).to_list()
    stage = {}
    for event_type in types:
        progress(f"reading {event_type}")
        staged = lay_aside(mimic, reduced_rows(mimic, cohort, event_type), work / event_type, "hadm_id", firsts)
        stage[event_type] = staged if keep_repeated else _once_each(staged)
    return stage


def repeated_rows(stage: Mapping[str, Staged]) -> dict[str, int]:
    """How many rows were left out as repeated, by event type, where there are any."""
    return {event_type: staged.repeated for event_type, staged in stage.items() if staged.repeated}


def _once_each(staged: Staged) -> Staged:
    """Leave one of each row. A row and its copy belong to one admission, so a stretch at a time is enough."""
    repeated = 0
    for stretch in range(len(staged.firsts)):
        rows = staged.stretch(stretch).collect()
        if rows.hash_rows().n_unique() == rows.height:  # five times as quick as looking for the rows
            continue
        once = rows.unique()
        staged.replace(stretch, once)
        repeated += rows.height - once.height
    return replace(staged, repeated=repeated)
