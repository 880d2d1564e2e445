"""Scores of our own runs: each run is a system, its stored item scores are the metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ehrbench.correlation.ratings import Rankings
from ehrbench.correlation.scores import Scores, describe
from ehrbench.correlation.sheet import shown
from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import read_rows
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.runs.store import read_predictions


class RunScores(NamedTuple):
    """What several runs of one task hold."""

    task: str
    synthetic: bool
    scores: list[Scores]
    lengths: dict[tuple[str, str], float]
    """(item, system) to words of the answer."""


def read_run_scores(folders: Sequence[RunFolder], metrics: Sequence[str] | None = None) -> RunScores:
    """Read runs that answered the same task under the same protocol on the same data.

    Args:
        folders: one run a system; a system is named as its model.
        metrics: which; None: all that every run has.

    Raises:
        UsageError: different tasks, two runs of one model, or a metric that a run lacks.
        MissingError: a run has no scores.
    """
    manifests = [read_manifest(folder) for folder in folders]
    _alike(folders, manifests)
    names = [str(manifest["config"]["model"]["name"]) for manifest in manifests]
    for name in names:
        if names.count(name) > 1:
            places = " and ".join(str(f.path) for f, n in zip(folders, names, strict=True) if n == name)
            raise UsageError(
                f"two runs are of model {shown(name)}: {places}; name one of them, because a rating is of one system"
            )
    tables: list[dict[str, dict[str, float]]] = []
    lengths: dict[tuple[str, str], float] = {}
    for folder, name in zip(folders, names, strict=True):
        table: dict[str, dict[str, float]] = {}
        for row in read_rows(folder.scores):
            table.setdefault(row["metric"], {})[row["item"]] = math.nan if row["score"] is None else float(row["score"])
        if not table:
            raise MissingError(f"{folder.path} has no item scores; `ehrbench score {folder.path}` makes them")
        tables.append(table)
        for item, prediction in read_predictions(folder.predictions).items():
            if prediction.answer is not None:
                lengths[item, name] = float(len(prediction.answer.split()))
    chosen = list(metrics) if metrics else [m for m in tables[0] if all(m in table for table in tables)]
    scores = []
    for metric in chosen:
        for folder, table in zip(folders, tables, strict=True):
            if metric not in table:
                raise UsageError(
                    f"{folder.path} has no scores of '{metric}'; `ehrbench score {folder.path} --metrics {metric}` adds them"
                )
        cells = {(item, name): score for name, table in zip(names, tables, strict=True) for item, score in table[metric].items()}
        scores.append(describe(metric, cells, "the runs"))
    config = manifests[0]["config"]
    return RunScores(config["task"], any(m.get("synthetic") for m in manifests), scores, lengths)


def with_lengths(rankings: Rankings, lengths: dict[tuple[str, str], float]) -> Rankings:
    """Ratings with the lengths of the runs' answers."""
    cells = [[lengths.get((item, system), math.nan) for system in rankings.systems] for item in rankings.items]
    return replace(rankings, lengths=np.array(cells, dtype=np.float64))


def _alike(folders: Sequence[RunFolder], manifests: Sequence[dict[str, Any]]) -> None:
    for key, what in (("task", "tasks"), ("task_version", "task versions"), ("protocol", "protocols"), ("data_hash", "data")):
        values = [manifest["config"].get(key) for manifest in manifests]
        for folder, value in zip(folders, values, strict=True):
            if value != values[0]:
                raise UsageError(
                    f"the runs are of different {what}: {folders[0].path} has {str(values[0])[:16]}, {folder.path} has "
                    f"{str(value)[:16]}; correlate takes runs of one task, protocol and data"
                )
