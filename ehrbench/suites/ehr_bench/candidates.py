"""Candidates of decision-making tasks from lists of similar items (protocol page, section 1.4).

The release draws them from one stream of random numbers that depends on the order of rows, so its own draw cannot be repeated:
only the JSONL has it. Here a row's draw depends on the row alone.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from ehrbench.suites.ehr_bench.items import MISSING

MOST_DRAWN = 100
"""Vocabularies up to this size are shown whole."""


class Candidates:
    """The candidates of one task's rows."""

    def __init__(self, root: Path, task: str, rule: str, risk: bool) -> None:
        """Look for the task's list.

        Args:
            root: holds ``cache/similar_item/{task}.csv``; without it there are no candidates.
            task: the task's key.
            rule: ``repaired``, or ``released``: the first item is taken for a header and missing cells are items.
            risk: the candidates are yes and no.
        """
        self._path, self._task, self._released, self._risk = (
            root / "cache" / "similar_item" / f"{task}.csv",
            task,
            rule == "released",
            risk,
        )

    @property
    def files(self) -> list[Path]:
        """What decides them."""
        return [self._path] if not self._risk and self._path.is_file() else []

    def warnings(self) -> list[str]:
        """Nothing where candidates are frozen or absent; else that they are drawn here."""
        return (
            ["candidates are drawn here from cache/similar_item, and are not those of the released JSONL"] if self.files else []
        )

    def of(self, subject: int, item: str, gold: tuple[str, ...]) -> tuple[str, ...]:
        """One row's, shuffled."""
        if self._risk:
            return ("yes", "no")
        if not self._similar:
            return ()
        draw = random.Random(f"ehr_bench candidates {self._task} {subject} {item}")
        if len(self._similar) > MOST_DRAWN:
            pool = sorted({name for label in gold for name in self._similar.get(label, ())})
            chosen = list(dict.fromkeys([*draw.sample(pool, min(len(pool), MOST_DRAWN)), *gold]))
        else:
            chosen = sorted(self._similar)
        draw.shuffle(chosen)
        return tuple(chosen)

    @cached_property
    def _similar(self) -> Mapping[str, tuple[str, ...]]:
        """Items and what is similar to each."""
        if not self.files:
            return {}
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        if self._released:
            width = max(map(len, rows), default=0)
            return {row[0]: tuple(cell or "nan" for cell in [*row[1:], *[""] * (width - len(row))]) for row in rows[1:]}
        return {row[0]: tuple(cell for cell in row[1:] if cell.strip().lower() not in {"", *MISSING}) for row in rows}
