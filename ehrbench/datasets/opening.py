"""Open a task's data: find the folder, pick the reader, ask for the rendering the task wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ehrbench.datasets import READERS, Dataset
from ehrbench.datasets.data_dir import locate

if TYPE_CHECKING:
    from ehrbench.tasks.schema import TaskSpec


def open_dataset(task: TaskSpec, data_dir: str | None) -> Dataset:
    """The items and records of a task.

    Args:
        task: whose.
        data_dir: ``--data-dir``; None: the default folder.

    Raises:
        MissingError: the data are not there.
        UsageError: a file of the data is malformed.
    """
    options = dict(task.data.options)
    if task.record is not None and task.record.rendering != "raw":
        options["rendering"] = task.record.rendering
    return READERS.get(task.data.reader)(locate(task.data, data_dir), options)
