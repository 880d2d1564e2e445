"""Reading runs back: where they are, what they predicted, and the gold they were asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.jsonl import parse
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.item import Item
from ehrbench.records.record import Record
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.prepared import Prepared
from ehrbench.runs.samples import asked_items
from ehrbench.runs.shards import is_shard
from ehrbench.runs.store import read_predictions
from ehrbench.tasks.schema import TaskSpec


class LoadedRun(NamedTuple):
    """A run's folder, read."""

    folder: RunFolder
    manifest: dict[str, Any]
    task: TaskSpec
    items: Sequence[Item]
    predictions: dict[str, Prediction]
    data_dir: str | None
    """Where the data were found."""
    n_available: int | None = None
    """Items that the data hold, with those that a limit left out."""
    load_record: Callable[[str], Record] | None = None
    """Reads one record; None for tasks without records."""


def load_run(folder: RunFolder, data_dir: str | None = None) -> LoadedRun:
    """Read a run and the gold it was asked about.

    Args:
        folder: the run's.
        data_dir: where the data are now; None: where they were when it ran.

    Raises:
        UsageError: the data are not those of the run, or items have no prediction.
        MissingError: the data are not there.
    """
    manifest = read_manifest(folder)
    task = TaskSpec.model_validate(manifest["task"])
    if data_dir is None and folder.origin.exists():
        data_dir = parse(folder.origin.read_text(encoding="utf-8"))["data_dir"]
    dataset = open_dataset(task, data_dir)
    if dataset.digest() != manifest["config"]["data_hash"]:
        raise UsageError(
            f"the data of task '{task.task}' are not those of {folder.path} (hash {dataset.digest()[:12]}, the run's "
            f"{manifest['config']['data_hash'][:12]}); give the run's data with --data-dir, or run again"
        )
    items = asked_items(dataset.items, manifest["config"], folder)
    predictions = read_predictions(folder.predictions)
    return LoadedRun(folder, manifest, task, items, predictions, data_dir, len(dataset.items), dataset.load_record)


def as_loaded(run: Prepared, folder: RunFolder, predictions: Sequence[Prediction]) -> LoadedRun:
    """A run that was just answered in this process, as ``load_run`` would read it back: the open dataset serves on."""
    return LoadedRun(
        folder,
        read_manifest(folder),
        run.task,
        run.items,
        {prediction.item: prediction for prediction in predictions},
        run.options.data_dir,
        len(run.dataset.items),
        run.dataset.load_record,
    )


def find_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """Every run at or below the given folders; judges' own runs and shards, which are scored otherwise, are left out.

    Raises:
        UsageError: there is none.
    """
    found = {manifest.parent for path in paths for manifest in (path.rglob("manifest.json") if path.is_dir() else ())}
    runs = [RunFolder(path) for path in sorted(found) if not path.parent.name.startswith("judge.") and not is_shard(path)]
    if not runs:
        raise UsageError(f"no run at or below {', '.join(map(str, paths))}: a run folder has a manifest.json")
    return runs
