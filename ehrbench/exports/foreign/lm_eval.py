"""lm-evaluation-harness: ``results_*.json``, one row per task or group."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ehrbench.exports.foreign.parts import count, metric, model_name, name, row, unusable
from ehrbench.results.schema import MetricResult, Result

NEWEST = (0, 4)
"""The release whose files are known."""


def recognises(data: Mapping[str, Any]) -> bool:
    """Whether some JSON is such a file."""
    return isinstance(data.get("results"), dict) and isinstance(data.get("config"), dict) and "versions" in data


def rows(data: Mapping[str, Any], path: Path) -> list[Result]:
    """The tasks' numbers, with the standard errors that the file states.

    Raises:
        UsageError: a file of a newer release, or one without a number.
    """
    version = data.get("lm_eval_version")
    release = tuple(int(part) for part in str(version or "0.4").split(".")[:2] if part.isdecimal())
    if release > NEWEST:
        unusable(
            path,
            f"written by lm-eval {str(version)[:20]}; files of up to {'.'.join(map(str, NEWEST))} are known: update ehrbench",
        )
    config = data["config"]
    arguments = config.get("model_args")
    named = arguments.get("pretrained") or arguments.get("model") if isinstance(arguments, dict) else None
    model = model_name(named or data.get("model_name") or config.get("model"), path)
    made = []
    for task, scores in {**data["results"], **_mapping(data.get("groups"))}.items():
        if not isinstance(scores, dict):
            unusable(path, f"results of task '{str(task)[:80]}' are not an object; expected numbers by metric")
        task = name(task, path, "a task")
        samples = count(_mapping(_mapping(data.get("n-samples")).get(task)).get("effective"))
        better = _mapping(_mapping(data.get("higher_is_better")).get(task))
        found = [_metric(key, value, scores, samples, better) for key, value in scores.items() if _is_score(key, value)]
        if found:
            made.append(
                row(
                    "lm-eval",
                    None if version is None else str(version)[:20],
                    task=task,
                    model=model,
                    metrics=found,
                    path=path,
                    task_version=_whole(_mapping(data.get("versions")).get(task)),
                    n_items=samples,
                    date=_date(data.get("date")),
                    facts={"shots": _mapping(data.get("n-shot")).get(task), "hash": _mapping(data.get("task_hashes")).get(task)},
                )
            )
    if not made:
        unusable(path, "no task has a number; expected the results of a finished run")
    return made


def _is_score(key: str, value: object) -> bool:
    metric_, comma, _ = key.partition(",")
    if not comma or metric_.endswith("_stderr") or isinstance(value, bool):
        return False
    return isinstance(value, (int, float))


def _metric(key: str, value: object, scores: Mapping[str, Any], samples: int | None, better: Mapping[str, Any]) -> MetricResult:
    metric_, _, filter_ = key.partition(",")
    label = metric_ if filter_ == "none" else f"{metric_} ({filter_})"
    stderr = scores.get(f"{metric_}_stderr,{filter_}")
    return metric(label[:100], value, stderr=stderr, n=samples, higher_is_better=better.get(metric_) is not False)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int:
    try:
        return int(float(str(value)))
    except ValueError:
        return 1


def _date(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e11:
        return datetime.fromtimestamp(value, timezone.utc).date().isoformat()
    return value if isinstance(value, str) else ""
