"""The cohort's events laid aside on disk, in stretches of neighbouring admissions, so that each is read once more and no more.

A release's tables are in the order of patients, and lists are written in the order of admissions. So rows are sorted into
stretches as they are read: some are held, then written out, a file a stretch. A row that a table has twice is laid aside once:
reduced rows hold their table's key (an admission of the cohort has one stay), so two that are equal are one event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import polars as pl

from ehrbench.mimic.cohort import Cohort
from ehrbench.mimic.events import reduced_rows
from ehrbench.mimic.tables import Mimic

STRETCH = 2000
"""Admissions of the cohort in a stretch."""
HELD_ROWS = 100_000
"""Rows held before they are written."""


@dataclass(frozen=True)
class Staged:
    """The reduced rows of one event type on disk."""

    folder: Path
    """``<stretch>-<number>.arrow``; none where there are no rows."""
    firsts: tuple[int, ...]
    """The first ``hadm_id`` of each stretch, ascending."""
    empty: pl.DataFrame
    """No rows, with the columns."""
    repeated: int = 0
    """Rows that were left out, because an equal one is there."""

    def scan(self) -> pl.LazyFrame:
        """All rows, in no promised order."""
        files = sorted(self.folder.glob("*.arrow"))
        return pl.scan_ipc(files) if files else self.empty.lazy()

    def rows(self, low: int, high: int) -> pl.DataFrame:
        """The rows of admissions from ``low`` to ``high``, and perhaps of others, in no promised order."""
        stretches = range(max(bisect_right(self.firsts, low) - 1, 0), bisect_right(self.firsts, high))
        files = [path for stretch in stretches for path in sorted(self.folder.glob(f"{stretch:05d}-*.arrow"))]
        return pl.concat([self.empty, *(pl.read_ipc(path) for path in files)])


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
        rows = reduced_rows(mimic, cohort, event_type)
        staged = Staged(work / event_type, tuple(firsts), pl.DataFrame(schema=rows.collect_schema()))
        staged.folder.mkdir()
        writer = _Writer(staged)
        mimic.each_batch(rows, writer.add)
        writer.flush()
        stage[event_type] = staged if keep_repeated else _once_each(staged)
    return stage


def repeated_rows(stage: Mapping[str, Staged]) -> dict[str, int]:
    """How many rows were left out as repeated, by event type, where there are any."""
    return {event_type: staged.repeated for event_type, staged in stage.items() if staged.repeated}


def _once_each(staged: Staged) -> Staged:
    """Leave one of each row. A row and its copy belong to one admission, so a stretch at a time is enough."""
    repeated = 0
    for stretch in range(len(staged.firsts)):
        files = sorted(staged.folder.glob(f"{stretch:05d}-*.arrow"))
        rows = pl.concat([staged.empty, *(pl.read_ipc(path) for path in files)])
        if rows.hash_rows().n_unique() == rows.height:  # five times as quick as looking for the rows
            continue
        once = rows.unique()
        for path in files:
            path.unlink()
        once.write_ipc(files[0], compression="lz4")
        repeated += rows.height - once.height
    return replace(staged, repeated=repeated)


class _Writer:
    """Sorts rows into stretches; batches come from several threads at once."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self._firsts = pl.Series(staged.firsts, dtype=pl.Int64)
        self._lock = Lock()
        self._held: list[pl.DataFrame] = []
        self._n_held = 0
        self._n_written = 0

    def add(self, batch: pl.DataFrame) -> None:
        with self._lock:
            self._held.append(batch)
            self._n_held += batch.height
            full = self._n_held >= HELD_ROWS
        if full:
            self.flush()

    def flush(self) -> None:
        # The lock is not held while polars works: its threads may be waiting for it.
        with self._lock:
            held, self._held, self._n_held = self._held, [], 0
            number, self._n_written = self._n_written, self._n_written + 1
        if not held:
            return
        rows = pl.concat(held)
        if len(self._firsts) == 1:
            parts = {0: rows}
        else:
            stretch = self._firsts.search_sorted(rows["hadm_id"], side="right") - 1
            parts = {int(str(key)): part for (key,), part in rows.group_by(stretch.alias("stretch"))}
        for stretch_number, part in parts.items():
            part.write_ipc(self._staged.folder / f"{stretch_number:05d}-{number:05d}.arrow", compression="lz4")
