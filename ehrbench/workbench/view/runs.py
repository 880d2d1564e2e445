"""The runs that are looked at, in sets that asked the same items, with the judges' runs about them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.judge.stored import JudgeFolder, find_judge_folders
from ehrbench.metrics import METRICS
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.runs.samples import asked_items
from ehrbench.scoring.loaded import find_runs
from ehrbench.tasks.schema import TaskSpec


class Run(NamedTuple):
    """One run: a group of columns."""

    folder: RunFolder
    manifest: Mapping[str, Any]
    task: TaskSpec
    label: str
    """The model's name, with what tells it from the others where names repeat."""


class JudgeRun(NamedTuple):
    """One judge's run about one of the runs."""

    folder: RunFolder
    run: int
    """Which run it judges."""
    judge: str
    reference: str
    strict: bool


@dataclass(frozen=True)
class RunSet:
    """Runs that asked the same items of the same data."""

    runs: Sequence[Run]
    judges: Sequence[JudgeRun]
    data_dir: str | None
    """Where the data are; None: where they were when the first run was made."""

    @property
    def task(self) -> TaskSpec:
        """The first run's task."""
        return self.runs[0].task

    @property
    def title(self) -> str:
        """The task's title."""
        return self.task.title or self.task.task

    @property
    def synthetic(self) -> bool:
        """Whether the data are the bundled sample."""
        return bool(self.runs[0].manifest.get("synthetic"))

    @cached_property
    def found(self) -> tuple[Dataset | None, str]:
        """The data, or the sentence that says why they are not here."""
        data_dir = self.data_dir
        origin = self.runs[0].folder.origin
        try:
            if data_dir is None and origin.exists():
                data_dir = json.loads(origin.read_text(encoding="utf-8"))["data_dir"]
            dataset = open_dataset(self.task, data_dir)
        except EhrbenchError as error:
            return None, f"The data are not shown: {error}."
        if dataset.digest() != self.runs[0].manifest["config"]["data_hash"]:
            return None, "The data on this machine are not those that the runs were asked about, so they are not shown."
        return dataset, ""

    @cached_property
    def items(self) -> Sequence[Item]:
        """The items in the data's order; none where the data are not here."""
        dataset = self.found[0]
        if dataset is None:
            return ()
        asked = {item.id for run in self.runs for item in asked_items(dataset.items, run.manifest["config"], run.folder)}
        return [item for item in dataset.items if item.id in asked]

    @property
    def primary(self) -> tuple[str, str, float, bool]:
        """The task's first number: (name, label, the middle of its range, whether high is good)."""
        name = self.task.primary
        try:
            metric = METRICS.get(name)
        except UsageError:
            return name, name, 0.5, True
        return name, metric.label, sum(metric.range) / 2, metric.higher_is_better


def find_sets(paths: Sequence[Path], data_dir: str | None) -> list[RunSet]:
    """Every run at or below some folders, in sets.

    Raises:
        UsageError: there is none, or a manifest is damaged.
    """
    manifests = [(folder, read_manifest(folder)) for folder in find_runs(paths)]
    groups: dict[tuple[str, str], list[tuple[RunFolder, dict[str, Any]]]] = defaultdict(list)
    for folder, manifest in manifests:
        groups[manifest["config"]["task"], manifest["config"]["data_hash"]].append((folder, manifest))
    judges = find_judge_folders(paths)
    return [_run_set(group, judges, data_dir) for _, group in sorted(groups.items(), key=lambda pair: pair[0])]


def _run_set(group: list[tuple[RunFolder, dict[str, Any]]], judges: Sequence[JudgeFolder], data_dir: str | None) -> RunSet:
    labels = _labels([manifest for _, manifest in group])
    runs = [
        Run(folder, manifest, TaskSpec.model_validate(manifest["task"]), label)
        for (folder, manifest), label in zip(group, labels, strict=True)
    ]
    number = {run.manifest["config_hash"]: k for k, run in enumerate(runs)}
    about = []
    for one in judges:
        if (k := number.get(one.manifest["judged"]["candidate"]["config_hash"])) is not None:
            about.append(JudgeRun(one.folder, k, one.judge, one.reference, one.strict))
    return RunSet(runs, about, data_dir)


def _labels(manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that tell the runs apart, with as little as does."""

    def traits(manifest: Mapping[str, Any]) -> list[str]:
        config = manifest["config"]
        context = config.get("context") or {}
        window = context.get("window")
        return [
            config["model"]["name"],
            config["protocol"],
            "" if config["prompt"] == "default" else f"prompt {config['prompt']}",
            context.get("context") or "",
            f"{window:,} tokens" if window else "",
            f"seed {config['seed']}",
            manifest["config_hash"][:8],
        ]

    every = [traits(manifest) for manifest in manifests]
    labels = []
    for own in every:
        rivals = [other for other in every if other[0] == own[0] and other is not own]
        parts = [own[0]]
        for k in range(1, len(own)):
            if rivals and any(other[k] != own[k] for other in rivals):
                parts += [own[k]] if own[k] else []
                rivals = [other for other in rivals if other[k] == own[k]]
        labels.append(", ".join(parts))
    return labels
