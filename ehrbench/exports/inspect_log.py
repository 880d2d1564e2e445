"""Results as logs of Inspect: one ``.eval`` file per result, with its numbers and no samples."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from ehrbench.hashing import hash_data
from ehrbench.leaderboard.text import slug
from ehrbench.results.schema import MetricResult, Result

_VERSION = 2
"""Of the log's form."""
_LATER = (1980, 1, 1, 0, 0, 0)
"""The one time that a zip file of the same numbers always has."""


def files(results: Sequence[Result]) -> Mapping[str, bytes]:
    """``<day>_<task>_<id>.eval`` each, named as Inspect names its own."""
    made: dict[str, bytes] = {}
    for result in results:
        id_ = hash_data(result.model_dump(mode="json"))[:22]
        day = result.date or "1970-01-01"
        header = _header(result, id_, f"{day}T00:00:00+00:00")
        start = {"version": _VERSION, "eval": header["eval"], "plan": header["plan"]}
        made[f"{day}T00-00-00+00-00_{slug(result.task)}_{id_}.eval"] = _packed(
            {"_journal/start.json": start, "summaries.json": [], "header.json": header}
        )
    return made


def _packed(entries: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, _LATER)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False))
    return buffer.getvalue()


def _header(result: Result, id_: str, when: str) -> dict[str, Any]:
    usage = result.usage
    tokens = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.answer_tokens + usage.reasoning_tokens,
        "total_tokens": usage.prompt_tokens + usage.answer_tokens + usage.reasoning_tokens,
    }
    version = str(result.environment.get("ehrbench", "")) if result.kind == "run" else ""
    facts = {
        "kind": result.kind,
        "protocol": result.protocol,
        "track": result.track,
        "prompt": result.prompt,
        "data_policy": result.data_policy,
        "synthetic": result.synthetic,
        "partial": result.partial,
        "backend": result.model.backend,
        "signature": result.signature,
        "caveats": result.caveats,
        "outcomes": result.outcomes,
        **({"source": result.source.model_dump()} if result.source else {}),
    }
    n = result.n_items or 0
    return {
        "version": _VERSION,
        "status": "success",
        "eval": {
            "eval_id": id_,
            "run_id": id_,
            "task_id": id_,
            "created": when,
            "task": result.task,
            "task_version": result.task_version,
            "model": result.model.name,
            "dataset": {"name": result.task, "samples": n, "shuffled": False},
            "config": {"log_samples": False},
            "packages": {"ehrbench": version} if version else {},
            "metadata": {name: value for name, value in facts.items() if value not in ("", [], {})},
        },
        "plan": {"name": "ehrbench", "steps": []},
        "results": {
            "total_samples": n,
            "completed_samples": sum(result.outcomes.values()) or n,
            "logged_samples": 0,
            "scores": [_score(metric, n) for metric in result.metrics if metric.value is not None],
        },
        "stats": {
            "started_at": when,
            "completed_at": when,
            "model_usage": {result.model.name: tokens} if usage.calls else {},
        },
    }


def _score(metric: MetricResult, n: int) -> dict[str, Any]:
    """A metric is a scorer there; its interval stands beside its value."""
    values = {"value": metric.value, "low": metric.low, "high": metric.high, "strict_value": metric.strict_value}
    facts = {"interval": metric.interval, "caution": metric.caution, "signature": metric.signature, "note": metric.note}
    scored = {} if metric.n is None else {"scored_samples": metric.n, "unscored_samples": max(0, n - metric.n)}
    return {
        "name": metric.name,
        "scorer": metric.name,
        **scored,
        "params": {},
        "metrics": {name: {"name": name, "value": value, "params": {}} for name, value in values.items() if value is not None},
        "metadata": {
            "label": metric.label,
            "higher_is_better": metric.higher_is_better,
            **{name: value for name, value in facts.items() if value},
        },
    }
