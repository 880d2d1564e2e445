"""Results as lm-eval writes its own, one file per model, protocol and context: its table code prints them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from ehrbench.leaderboard.text import slug
from ehrbench.results.schema import Result

_WIDTH = 2 * NormalDist().inv_cdf(0.975)
"""Standard errors in a 95 % interval."""


def files(results: Sequence[Result]) -> Mapping[str, bytes]:
    """``results_<model>.json`` each.

    lm-eval knows a standard error and no interval: ours over 3.92 stands there, and both ends of the interval beside it.
    Runs of one task that differ in protocol or context stand in files of their own.
    """
    made: dict[str, dict[str, Any]] = {}
    for result in results:
        context = result.context
        kinds = [result.model.name, result.protocol, result.prompt, *([context.policy, str(context.window)] if context else [])]
        name = "results_" + slug("_".join(kind for kind in kinds if kind not in ("clean", "default", "None")))
        while result.task in made.get(name, {}).get("results", {}):
            name += "_"
        _add(made.setdefault(name, _empty(result)), result)
    return {
        f"{name}.json": (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
        for name, data in made.items()
    }


def _empty(result: Result) -> dict[str, Any]:
    return {
        "results": {},
        "versions": {},
        "higher_is_better": {},
        "n-samples": {},
        "configs": {},
        "group_subtasks": {},
        "config": {"model": f"ehrbench {result.model.backend}", "model_args": {"pretrained": result.model.name}},
        "model_name": result.model.name,
        "date": result.date,
    }


def _add(data: dict[str, Any], result: Result) -> None:
    scores: dict[str, Any] = {"alias": result.task}
    for metric in result.metrics:
        if metric.value is None:
            continue
        scores[f"{metric.name},none"] = metric.value
        known = metric.low is not None and metric.high is not None
        scores[f"{metric.name}_stderr,none"] = (metric.high - metric.low) / _WIDTH if known else "N/A"  # type: ignore[operator]
        if known:
            scores |= {f"{metric.name}_low,ehrbench": metric.low, f"{metric.name}_high,ehrbench": metric.high}
    data["results"][result.task] = scores
    data["versions"][result.task] = result.task_version
    data["higher_is_better"][result.task] = {metric.name: metric.higher_is_better for metric in result.metrics}
    data["n-samples"][result.task] = {"original": result.n_whole or result.n_items, "effective": result.n_items}
    data["configs"][result.task] = {"task": result.task, "metadata": {"version": result.task_version}}
