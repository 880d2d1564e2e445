"""The campaign's table: what was tried, what held, and what did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the table."""

    what: str
    tried: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """What happened instead, and how often; no text of the input."""

    def failed(self, how: str, where: str) -> None:
        """Count a failure under its kind; the first of each kind says where, so that it can be repeated."""
        known = next((key for key in self.failures if key.startswith(f"{how} (")), None)
        self.failures[known or f"{how} ({where})"] += 1

    def __str__(self) -> str:
        held = self.tried - sum(self.failures.values())
        said = "; ".join(f"{times} × {how}" for how, times in self.failures.items()) or "–"
        return f"| {self.what} | {self.tried:,} | {held:,} | {said} |"


def table(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    return "\n".join(["| what | tried | held | what failed |", "|---|---|---|---|", *map(str, rows)])
