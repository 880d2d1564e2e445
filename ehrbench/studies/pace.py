"""How fast a study's models answered, cell by cell, and so how long the rest of a study may take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ehrbench.jsonl import Appender, read_rows
from ehrbench.runs.dry_run import Estimate
from ehrbench.runs.events import ChunkFinished, Event, ItemFinished, TaskAnswered, TaskStarted
from ehrbench.studies.study import Cell, Study

FILE = "pace.jsonl"
"""One line for each time that a cell was answered: numbers only."""


class Pace(NamedTuple):
    """What some answering took."""

    calls: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    """Thinking included."""
    seconds: float = 0.0
    """By the clock, with as many calls at a time as there were."""

    @property
    def tokens_per_second(self) -> float:
        """Prompt and answer together."""
        return (self.prompt_tokens + self.answer_tokens) / self.seconds

    def seconds_for(self, size: Estimate) -> float:
        """What a run of some size takes at this pace, with answers as long as those that were measured.

        A model that does not count its prompts is measured by its calls.
        """
        if not self.prompt_tokens:
            return size.calls * self.seconds / self.calls
        answers = min(size.answer_tokens, size.calls * self.answer_tokens / self.calls)
        return (size.prompt_tokens + answers) / self.tokens_per_second


class Stopwatch:
    """Listens to the answering of a cell; calls that a run beside it had answered are left out."""

    def __init__(self) -> None:
        """Begin."""
        self._began: float | None = None
        self._chunks: Counter[str] = Counter()
        self.pace = Pace()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case TaskStarted():
                self._began = time.monotonic()
            case ChunkFinished():
                self._chunks[event.item] += 1
            case ItemFinished():
                fresh = event.prediction.steps[-1 - self._chunks[event.prediction.item] :]
                self.pace = self.pace._replace(
                    calls=self.pace.calls + len(fresh),
                    prompt_tokens=self.pace.prompt_tokens + sum(step.prompt_tokens or 0 for step in fresh),
                    answer_tokens=self.pace.answer_tokens
                    + sum((step.answer_tokens or 0) + (step.reasoning_tokens or 0) for step in fresh),
                )
            case TaskAnswered() if self._began is not None:
                self.pace = self.pace._replace(seconds=self.pace.seconds + time.monotonic() - self._began)
                self._began = None


def note(study: Study, cell: Cell, pace: Pace) -> None:
    """Write down how fast a cell was answered, if anything was asked."""
    if not pace.calls or pace.seconds <= 0:
        return
    file = Appender(study.out / FILE)
    try:
        file.append({"model": cell.model, "cell": cell.id, **pace._asdict(), "seconds": round(pace.seconds, 3)})
    finally:
        file.close()


def measured(study: Study) -> dict[str, Pace]:
    """The pace of each model that has been run in the study's folder, by its short name."""
    found: dict[str, Pace] = {}
    for row in read_rows(study.out / FILE):
        before = found.get(row["model"], Pace())
        found[row["model"]] = Pace(*(getattr(before, name) + row[name] for name in Pace._fields))
    return found


def seconds_of(
    sizes: Sequence[tuple[Cell, Estimate | str]], paces: Mapping[str, Pace], tokens_per_second: float | None = None
) -> list[float | None]:
    """How long each cell may take; None where nothing is known of its model or its size.

    Args:
        sizes: of the cells.
        paces: of models, by their short names.
        tokens_per_second: prompt and answer together, in place of what was measured; answers then count at their longest.
    """
    found: list[float | None] = []
    for cell, size in sizes:
        if isinstance(size, str):
            found.append(None)
        elif tokens_per_second is not None:
            found.append((size.prompt_tokens + size.answer_tokens) / tokens_per_second)
        else:
            found.append(paces[cell.model].seconds_for(size) if cell.model in paces else None)
    return found
