"""What happens during an evaluation, as plain events: the command line draws them, a program may do with them what it likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ehrbench.errors import EhrbenchError
    from ehrbench.results.schema import Result
    from ehrbench.runs.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know: what is taken over from before, what a reader found odd."""

    task: str
    text: str
    """Without a patient's text."""


@dataclass(frozen=True, slots=True)
class TaskLeftOut:
    """A task whose data are missing, where that is allowed."""

    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """Answering begins."""

    task: str
    n_items: int
    n_finished: int
    """Items that were finished before."""


@dataclass(frozen=True, slots=True)
class ItemFinished:
    """One item has its outcome. The prediction holds an answer: as private as the data."""

    task: str
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class ChunkFinished:
    """One call of an item's refinement chain, which goes on."""

    task: str
    item: str
    done: int
    total: int
    """Calls of the whole chain."""


@dataclass(frozen=True, slots=True)
class TaskAnswered:
    """Answering has ended, and what was answered is stored; scoring may follow."""

    task: str


@dataclass(frozen=True, slots=True)
class MetricProgress:
    """Scoring goes on."""

    task: str
    metric: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class MetricFailed:
    """A metric could not be computed; the others go on."""

    task: str
    metric: str
    error: EhrbenchError


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """A task is answered and, unless scoring was not wanted or must wait, scored."""

    task: str
    folder: Path
    n_failed: int
    """Items without an answer."""
    n_open: int
    """Items whose calls wait for answers elsewhere."""
    result: Result | None


@dataclass(frozen=True, slots=True)
class BatchesSeen:
    """Where the batches are that a service works on."""

    states: tuple[tuple[str, int], ...]
    """How many batches are in each state."""
    done: int
    """Calls that are answered or have failed."""
    failed: int
    total: int
    """Calls of all these batches."""


@dataclass(frozen=True, slots=True)
class LoggingFailed:
    """A logger of ``--log-to`` has stopped; the run goes on and loses nothing."""

    task: str
    logger: str
    """Service and place."""
    reason: str


Event = (
    BatchesSeen
    | Note
    | TaskLeftOut
    | TaskStarted
    | ItemFinished
    | ChunkFinished
    | TaskAnswered
    | MetricProgress
    | MetricFailed
    | TaskFinished
    | LoggingFailed
)
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does nothing."""
