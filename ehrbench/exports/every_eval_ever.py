"""Results in the common form of Every Eval Ever (schema 0.3.0, https://evalevalai.com): one JSON file per model and run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.text import slug
from ehrbench.results.models import ModelCard, ModelRegistry, read_models
from ehrbench.results.schema import MetricResult, Result

SCHEMA_VERSION = "0.3.0"
_DEPLOYED = {"azure": "externally_managed", "hf": "self_deployed", "lm-eval": "self_deployed", "vllm": "self_deployed"}
"""By backend; behind ``openai:`` may be anybody's server."""


def files(results: Sequence[Result]) -> Mapping[str, bytes]:
    """One aggregate record per result, below ``task/organisation/model``; numbers only."""
    registry, _ = read_models([asset_dir("published")])
    names = Names()
    made: dict[str, bytes] = {}
    for result in results:
        record = _record(result, registry, names.task(result.task).title)
        organisation, _, model = record["model_info"]["id"].partition("/")
        path = f"{result.task}/{slug(organisation)}/{slug(model or organisation)}/{result.config_hash[:12] or result.kind}.json"
        while path in made:
            path = path.removesuffix(".json") + "-1.json"
        made[path] = (json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
    return made


def _record(result: Result, registry: ModelRegistry, title: str) -> dict[str, Any]:
    name = registry.name(result.model.name)
    stamp = str(int(datetime.fromisoformat(result.date).replace(tzinfo=timezone.utc).timestamp())) if result.date else "0"
    ours = result.kind == "run"
    source: dict[str, Any] = {
        "source_type": "evaluation_run" if ours else "documentation",
        "source_organization_name": result.source.title if result.source else "ehrbench user",
        "evaluator_relationship": "third_party",
    }
    if result.source:
        source["additional_details"] = {"where": result.source.where, "status": result.source.status}
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{result.task}/{name}/{result.config_hash[:12] or stamp}",
        **({"evaluation_timestamp": result.date} if result.date else {}),
        "retrieved_timestamp": stamp,
        "source_metadata": source,
        "eval_library": {
            "name": "ehrbench" if ours else "unknown",
            "version": str(result.environment.get("ehrbench", "unknown")) if ours else "unknown",
        },
        "model_info": _model(result, name, registry.card(name)),
        "evaluation_results": [_metric(result, metric, title) for metric in result.metrics if metric.value is not None],
    }


def _model(result: Result, name: str, card: ModelCard | None) -> dict[str, Any]:
    weights = None if card is None else card.open_weights
    details = {
        "deployment_type": _DEPLOYED.get(result.model.backend, "unknown") if result.kind == "run" else "unknown",
        "model_availability": "unknown" if weights is None else "open_weights" if weights else "closed_weights",
        "backend": result.model.backend,
    }
    if result.model.revision:
        details["revision"] = result.model.revision
    organisation = card.organisation if card is not None else ""
    return {
        "name": name,
        "id": name if "/" in name or not organisation else f"{organisation}/{name}",
        **({"developer": organisation} if organisation else {}),
        "additional_details": details,
    }


def _metric(result: Result, metric: MetricResult, title: str) -> dict[str, Any]:
    low, high = metric.range
    details = {"n_items": metric.n, "n_run": result.n_items, "n_expected": result.n_expected, "strict_value": metric.strict_value}
    uncertainty: dict[str, Any] = {} if metric.n is None else {"num_samples": metric.n}
    if metric.low is not None and metric.high is not None:
        uncertainty["confidence_interval"] = {
            "lower": metric.low, "upper": metric.high, "confidence_level": 0.95, "method": metric.interval or "unknown",
        }  # fmt: skip
    return {
        "evaluation_result_id": f"{result.task}/{metric.name}",
        "evaluation_name": title,
        "source_data": {
            "dataset_name": result.task,
            "source_type": "other",
            "additional_details": {
                "suite": result.suite, "protocol": result.protocol, "data_policy": result.data_policy,
                "task_version": str(result.task_version), "synthetic": str(result.synthetic).lower(),
                "partial": str(result.partial).lower(),
            },
        },
        "metric_config": {
            "metric_id": metric.name,
            "metric_name": metric.label,
            "lower_is_better": not metric.higher_is_better,
            "score_type": "continuous",
            "min_score": low,
            "max_score": high,
            **({"additional_details": {"signature": metric.signature}} if metric.signature else {}),
        },
        "score_details": {
            "score": metric.value,
            "details": {key: str(value) for key, value in details.items() if value is not None},
            **({"uncertainty": uncertainty} if uncertainty else {}),
        },
    }  # fmt: skip
