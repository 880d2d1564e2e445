"""Results as ``model-index`` of Hugging Face model cards: one YAML file per model, to be put into the card's header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.text import slugs
from ehrbench.results.schema import Result


def files(results: Sequence[Result]) -> Mapping[str, bytes]:
    """``<model>.yaml`` each."""
    names = Names()
    by_model: dict[str, list[Any]] = {}
    for result in results:
        by_model.setdefault(result.model.name, []).append(_entry(result, names.task(result.task).title))
    slug = slugs(by_model)
    made = {}
    for model, entries in by_model.items():
        header = {"model-index": [{"name": model, "results": entries}]}
        made[f"{slug[model]}.yaml"] = yaml.safe_dump(header, sort_keys=False, allow_unicode=True).encode()
    return made


def _entry(result: Result, title: str) -> dict[str, Any]:
    marks = [result.protocol, *(["partial"] if result.partial else []), *(["synthetic sample"] if result.synthetic else [])]
    return {
        "task": {"type": "text-generation", "name": title},
        # A source would need an address, without which huggingface_hub refuses the card.
        "dataset": {
            "type": result.task,
            "name": f"{title} ({', '.join(marks)})",
            "args": {"source": result.source.title if result.source else "ehrbench"},
        },
        "metrics": [
            {
                "type": metric.name,
                "name": metric.label,
                "value": metric.value,
                **({"args": {"interval_95": [metric.low, metric.high]}} if metric.low is not None else {}),
            }
            for metric in result.metrics
            if metric.value is not None
        ],
    }
