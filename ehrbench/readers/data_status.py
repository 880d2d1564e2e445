"""Which tasks' data are on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from ehrbench.errors import EhrbenchError, MissingError
from ehrbench.readers.data_dir import locate, open_dataset, require

if TYPE_CHECKING:
    from ehrbench.tasks.schema import TaskSpec


@dataclass(frozen=True)
class DataState:
    """What is known of one task's data."""

    task: str
    state: Literal["here", "missing", "unreadable"]
    policy: str
    source: str
    """Where to get them."""
    folder: str | None = None
    """Where they are."""
    problem: str | None = None
    """What is wrong and what to do."""
    n_items: int | None = None
    """Items that were read; None where nobody looked."""
    n_expected: int | None = None
    """Items of the full release."""
    warnings: tuple[str, ...] = ()
    coverage: str = ""
    """What share of the records' events has a name and a unit, where it is known and somebody looked."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def data_status(tasks: Iterable[TaskSpec], data_dir: str | None, *, read: bool) -> list[DataState]:
    """Look for each task's data; with ``read``, open them and count the items. Nothing found wrong is an exception."""
    return [_state(task, data_dir, read) for task in tasks]


def _state(task: TaskSpec, data_dir: str | None, read: bool) -> DataState:
    def state(kind: Literal["here", "missing", "unreadable"], **more: Any) -> DataState:
        return DataState(task.task, kind, task.data.policy, task.data.source, n_expected=task.expected_items, **more)

    try:
        folder = locate(task.data, data_dir)
        if not read:
            require(task.data, folder)
            return state("here", folder=str(folder))
        dataset = open_dataset(task, data_dir)
    except MissingError as error:
        return state("missing", problem=str(error))
    except EhrbenchError as error:
        return state("unreadable", problem=str(error))
    if not dataset.items:
        return state("missing", problem=f"{folder} has no item of this task", warnings=tuple(dataset.warnings))
    return state(
        "here", folder=str(folder), n_items=len(dataset.items), warnings=tuple(dataset.warnings), coverage=dataset.coverage
    )
