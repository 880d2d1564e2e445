"""HELM: the folder of a run, with ``run_spec.json`` and ``stats.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError
from ehrbench.exports.foreign.parts import metric, model_name, name, row, unusable
from ehrbench.results.schema import MetricResult, Result
from ehrbench.results.store import load_json

_BOOKKEEPING = (
    *(
        "num_",
        "inference_",
        "training_",
        "prompt_tokens",
        "completion_tokens",
        "max_prob",
        "logprob",
        "finish_reason",
        "batch_size",
    ),
    *("truncat", "predicted_index", "estimated_", "references", "request_"),
)
"""Beginnings of names that say how a run went and not how good an answer is."""
_SPLIT = "test"


def run_folder(path: Path) -> Path | None:
    """The folder of a run, from the folder or one of its files; None for anything else."""
    folder = path if path.is_dir() else path.parent if path.name in ("stats.json", "run_spec.json") else None
    return folder if folder is not None and ((folder / "stats.json").is_file() or (folder / "run_spec.json").is_file()) else None


def rows(folder: Path) -> list[Result]:
    """One row per run: its metrics on the test split, without perturbations.

    Raises:
        MissingError: one of the two files is not there.
        UsageError: they are not of a run of HELM.
    """
    for needed in ("run_spec.json", "stats.json"):
        if not (folder / needed).is_file():
            raise MissingError(
                f"{folder} has no {needed}; expected the folder of a run of HELM, with run_spec.json and stats.json"
            )
    spec, stats = load_json(folder / "run_spec.json"), load_json(folder / "stats.json")
    path = folder / "stats.json"
    if not isinstance(spec, dict) or not isinstance(spec.get("adapter_spec"), dict) or not isinstance(stats, list):
        unusable(folder, "not a run of HELM: expected run_spec.json with adapter_spec, and stats.json with a list")
    adapter = spec["adapter_spec"]
    run = name(spec.get("name"), path, "the run")
    task = run.partition(":")[0]
    # A run's name has the scenario and its arguments, the model among them.
    arguments = [
        part for part in run.partition(":")[2].split(",") if part and not part.startswith(("model=", "model_deployment="))
    ]
    made = [one for stat in stats if isinstance(stat, dict) and (one := _metric(stat)) is not None]
    asked = [stat.get("mean") for stat in stats if _is_of_test(stat) and stat["name"]["name"] == "num_instances"]
    n = int(asked[0]) if asked and isinstance(asked[0], (int, float)) and asked[0] >= 1 else None
    return [
        row(
            "HELM",
            None,
            task=name(":".join([task, *([",".join(arguments)] if arguments else [])]), path, "the scenario"),
            model=model_name(adapter.get("model"), path),
            metrics=made,
            path=path,
            n_items=n,
            where=f"{run[:100]}, stats.json",
        )
    ]


def _is_of_test(stat: Any) -> bool:
    full = stat.get("name") if isinstance(stat, dict) else None
    return (
        isinstance(full, dict)
        and isinstance(full.get("name"), str)
        and full.get("split") == _SPLIT
        and not full.get("perturbation")
    )


def _metric(stat: Mapping[str, Any]) -> MetricResult | None:
    """The mean of a statistic; None for one of another split, of a perturbation, or that is bookkeeping."""
    if not _is_of_test(stat) or stat["name"]["name"].startswith(_BOOKKEEPING):
        return None
    full = stat["name"]
    label = full["name"] + (f" {full['sub_split']}" if isinstance(full.get("sub_split"), str) else "")
    # The count is of trials and not of items, and no error of the mean is stated.
    return metric(label[:100], stat.get("mean"), higher_is_better=not full["name"].startswith(("ece", "bias")))
