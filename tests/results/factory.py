"""Made-up results for tests: realistic in shape, no number of which is a measurement."""

from __future__ import annotations

from typing import Any

from ehrbench.hashing import hash_data
from ehrbench.results import ContextInfo, MetricResult, ModelInfo, Result, Usage


def make_metric(value: float | None = 0.42, half: float = 0.03, name: str = "rouge_l", **changes: Any) -> MetricResult:
    """One metric, with an interval of ``half`` on each side."""
    data: dict[str, Any] = {
        "name": name,
        "label": {"rouge_l": "ROUGE-L", "chrf_pp": "chrF++", "accuracy": "Accuracy"}.get(name, name),
        "value": value,
        "low": None if value is None else value - half,
        "high": None if value is None else value + half,
        "interval": "percentile bootstrap, 10000 resamples of 24 patients",
        "n": 40,
        "strict_value": value,
        "signature": f"{name}|v:1",
    }
    if value is None:
        data["missing"] = "the metric needs a package that is not installed"
    return MetricResult(**(data | changes))


def make_result(model: str = "llama-3-8b", value: float = 0.42, task: str = "medalign", **changes: Any) -> Result:
    """A finished run."""
    data: dict[str, Any] = {
        "task": task,
        "suite": task.split(".")[0],
        "protocol": "clean",
        "model": ModelInfo(name=model, backend="hf", revision="4f1c9a"),
        "config_hash": hash_data([model, task, str(changes.get("context")), changes.get("protocol")])[:12],
        "signature": f"task:{task}@1|n:40/40",
        "data_policy": "credentialed",
        "n_items": 40,
        "n_expected": 40,
        "n_groups": 24,
        "outcomes": {"answered": 39, "unparsed": 1},
        "metrics": [make_metric(value), make_metric(round(value * 0.9, 4), name="chrf_pp")],
        "primary": "rouge_l",
        "context": ContextInfo(
            policy="truncate",
            window=8192,
            tokenizer="llama-3",
            n_records_cut=17,
            share_seen_median=0.81,
            share_seen_quartiles=(0.4, 1.0),
        ),
        "usage": Usage(calls=40, prompt_tokens=300_000, answer_tokens=4_000, seconds=61.5),
        "environment": {"ehrbench": "0.1.0", "python": "3.11.9"},
        "command": f"ehrbench run --model {model} --tasks {task}",
    }
    return Result(**(data | changes))
