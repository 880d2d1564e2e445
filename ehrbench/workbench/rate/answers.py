"""What is judged: the planned items, their records and every system's answer, read from the runs and checked against the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.readers.item import Item
from ehrbench.records.record import Record
from ehrbench.runs.folder import RunFolder, open_run
from ehrbench.scoring.loaded import LoadedRun, load_run
from ehrbench.tasks.schema import TaskSpec
from ehrbench.workbench.rate.study import Study


class Material(NamedTuple):
    """Everything a page shows."""

    task: TaskSpec
    items: Mapping[str, Item]
    answers: Mapping[str, Mapping[str, str | None]]
    """System to item to answer; None where it gave none."""
    load_record: Callable[[str], Record] | None


def load_runs(folders: Sequence[RunFolder], data_dir: str | None) -> list[LoadedRun]:
    """Read runs of one task on the same data.

    Raises:
        UsageError: they are of different tasks or data, or two are of one model.
    """
    runs = [load_run(folder, data_dir) for folder in folders]
    for run in runs[1:]:
        for key, what in (("task", "tasks"), ("data_hash", "data")):
            if run.manifest["config"][key] != runs[0].manifest["config"][key]:
                raise UsageError(
                    f"{runs[0].folder.path} and {run.folder.path} are of different {what}; give runs on the same items"
                )
    names = [model_name(run) for run in runs]
    for run, name in zip(runs, names, strict=True):
        if names.count(name) > 1:
            others = [str(other.folder.path) for other in runs if model_name(other) == name and other is not run]
            raise UsageError(f"{run.folder.path} and {others[0]} are both runs of '{name}'; name one of them")
    return runs


def model_name(run: LoadedRun) -> str:
    """What a run's system is called."""
    return str(run.manifest["config"]["model"]["name"])


def answers_of(run: LoadedRun, items: Sequence[str]) -> dict[str, str | None]:
    """A run's answers to some items."""
    found = ((item, run.predictions.get(item)) for item in items)
    return {item: None if prediction is None else prediction.answer for item, prediction in found}


def answers_hash(answers: Mapping[str, str | None]) -> str:
    """Of one system's answers."""
    return hash_data(sorted(answers.items()))[:16]


def load_material(folder: Path, study: Study) -> Material:
    """Read the runs of a study again.

    Raises:
        UsageError: a run changed since the plan.
        MissingError: runs or data are not on this machine.
    """
    runs = load_runs([open_run(folder / system.folder) for system in study.systems], study.data_dir)
    planned = list(study.assignments)
    answers: dict[str, dict[str, str | None]] = {}
    for system, run in zip(study.systems, runs, strict=True):
        found = answers_of(run, planned)
        if run.manifest["config_hash"] != system.config_hash or answers_hash(found) != system.answers_hash:
            raise UsageError(
                f"the answers of '{system.name}' in {run.folder.path} are not those of the plan; restore the run, "
                "or plan a new study on the runs as they are now"
            )
        answers[system.name] = found
    items = {item.id: item for item in runs[0].items}
    if absent := [item for item in planned if item not in items]:
        raise UsageError(f"item {absent[0]} of the plan is not among the data of '{study.task}'; restore study.yaml")
    return Material(runs[0].task, {item: items[item] for item in planned}, answers, runs[0].load_record)
