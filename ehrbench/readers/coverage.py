"""How much of a data set a model can read: the share of its events that have a name, and of its numbers that have a unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

FEW = 0.9
"""Below it a share is a warning."""


class Told(NamedTuple):
    """How many events there are, and what their codes and columns say of them."""

    n: int
    named: int
    """Events whose code is described, or has a name of its own beside numbers."""
    numeric: int
    """Events with a number."""
    with_unit: int
    """Those of them whose unit is known."""

    def sentence(self) -> str:
        """Both shares, for people to see; empty without an event."""
        said = [f"{_share(self.named, self.n)} of {self.n:,} events have a name"] if self.n else []
        if self.numeric:
            said.append(f"{_share(self.with_unit, self.numeric)} of {self.numeric:,} events with a number have a unit")
        return ", ".join(said)

    def shortcomings(self, advice: str) -> Iterator[str]:
        """A warning for each share that is too small.

        Args:
            advice: what shows more names; a phrase.
        """
        if self.named < FEW * self.n:
            yield (
                f"{_share(self.named, self.n)} of {self.n:,} events have a name: the other codes are shown as they are; {advice}"
            )
        if self.with_unit < FEW * self.numeric:
            yield f"{_share(self.with_unit, self.numeric)} of {self.numeric:,} events with a number have a unit"


def _share(part: int, n: int) -> str:
    """A percentage, never rounded up to all of them."""
    return f"{min(round(100 * part / n), 99 if part < n else 100)} %"
