"""Rows laid aside on disk in stretches of neighbouring ids, so that each is read once more and no more.

Rows are sorted into stretches as they are read: some are held, then written out, a file a stretch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import polars as pl

from ehrbench.mimic.tables import Mimic

HELD_ROWS = 100_000
"""Rows held before they are written."""


@dataclass(frozen=True)
class Staged:
    """Rows on disk."""

    folder: Path
    """``<stretch>-<number>.arrow``; none where there are no rows."""
    column: str
    """The id whose stretches these are."""
    firsts: tuple[int, ...]
    """The first id of each stretch, ascending; lower ones belong to the first stretch."""
    empty: pl.DataFrame
    """No rows, with the columns."""
    repeated: int = 0
    """Rows that were left out, because an equal one is there."""

    def scan(self) -> pl.LazyFrame:
        """All rows, in no promised order."""
        files = sorted(self.folder.glob("*.arrow"))
        return pl.scan_ipc(files) if files else self.empty.lazy()

    def rows(self, low: int, high: int) -> pl.DataFrame:
        """The rows of ids from ``low`` to ``high``, and perhaps of others, in no promised order."""
        stretches = range(max(bisect_right(self.firsts, low) - 1, 0), bisect_right(self.firsts, high))
        return pl.concat([self.empty, *(pl.read_ipc(path) for stretch in stretches for path in self.files(stretch))])

    def stretch(self, number: int) -> pl.LazyFrame:
        """The rows of a stretch, in the order in which ``replace`` had them."""
        files = self.files(number)
        return pl.scan_ipc(files) if files else self.empty.lazy()

    def replace(self, number: int, rows: pl.DataFrame) -> None:
        """Put other rows in the place of those of a stretch that has some."""
        files = self.files(number)
        for path in files:
            path.unlink()
        rows.write_ipc(files[0], compression="lz4")

    def files(self, number: int) -> list[Path]:
        """Where the rows of a stretch lie."""
        return sorted(self.folder.glob(f"{number:05d}-*.arrow"))


def lay_aside(mimic: Mimic, rows: pl.LazyFrame, folder: Path, column: str, firsts: Sequence[int]) -> Staged:
    """Stream a query's rows into stretches.

    Args:
        mimic: whose rows.
        rows: the query.
        folder: where they are laid; it is made.
        column: the id; rows without one are laid into the first stretch.
        firsts: the first id of each stretch, ascending; at least one.

    Raises:
        UsageError: as ``Mimic.collect``.
    """
    staged = Staged(folder, column, tuple(firsts), pl.DataFrame(schema=rows.collect_schema()))
    folder.mkdir(parents=True)
    writer = _Writer(staged)
    mimic.each_batch(rows, writer.add)
    writer.flush()
    return staged


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
            ids = rows[self._staged.column].fill_null(self._firsts[0]).clip(self._firsts[0])
            stretch = self._firsts.search_sorted(ids, side="right") - 1
            parts = {int(str(key)): part for (key,), part in rows.group_by(stretch.alias("stretch"))}
        for stretch_number, part in parts.items():
            part.write_ipc(self._staged.folder / f"{stretch_number:05d}-{number:05d}.arrow", compression="lz4")
