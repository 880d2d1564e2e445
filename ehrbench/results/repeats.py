"""The mean over repeats of one run under several seeds, as it is stored beside the runs: numbers only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ehrbench.hashing import hash_data
from ehrbench.jsonl import write_atomically
from ehrbench.results.schema import MetricResult, ModelInfo

SUFFIX = ".repeats.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Repeats(_Part):
    """A task's numbers for one model, as means over seeds."""

    schema_version: Literal[1] = 1
    kind: Literal["repeats"] = "repeats"
    task: str
    protocol: Literal["clean", "paper"]
    track: str = ""
    prompt: str = "default"
    model: ModelInfo
    synthetic: bool = False
    partial: bool = False
    n_items: int
    seeds: list[int]
    config_hashes: list[str]
    """Of the runs, in the order of the seeds."""
    metrics: list[MetricResult]
    """Means over seeds; an interval is over items and seeds."""
    by_seed: dict[str, list[float | None]]
    """Values of each metric, in the order of the seeds."""
    primary: str

    def metric(self, name: str) -> MetricResult | None:
        """The number of one metric, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def write_repeats(folder: Path, repeats: Repeats) -> Path:
    """Write the means into the folder of a model's runs of a task, whole or not at all."""
    path = folder / f"{hash_data(sorted(repeats.config_hashes))[:16]}{SUFFIX}"
    data = json.dumps(repeats.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (data + "\n").encode())
    return path
