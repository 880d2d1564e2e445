"""What became of a record that had to fit a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Part(NamedTuple):
    """One piece of the record that one prompt shows."""

    text: str
    start: int
    """Offset in the record's text; a retrieved selection has the offset of its first piece."""
    tokens: int


@dataclass(frozen=True)
class Fitted:
    """The pieces of one record, in the order in which a model is shown them.

    One part: a whole, truncated or retrieved record. Several: the chunks of a refinement chain, which concatenate to the record.
    """

    policy: str
    parts: Sequence[Part]
    total_tokens: int
    """Tokens of the whole record."""
    seen_tokens: int
    """Tokens that the model sees over all parts."""
    first_time: datetime | None
    """When the first thing that the model sees happened."""
    tokenizer: str
    """Whose tokens these are."""
    shown: Sequence[Sequence[tuple[int, int]]] = ()
    """For each part, start and end of the pieces of the record's text that it holds."""

    @property
    def cut(self) -> bool:
        """Whether something of the record is not seen."""
        return self.seen_tokens < self.total_tokens
