"""What rows of every harness share: how a number, a name and a provenance are made of what stands in a foreign file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.results.schema import MAX_RANGE, MetricResult, ModelInfo, Result, Source
from ehrbench.stats.estimate import normal_interval

MOST_CHARACTERS = 120


def unusable(path: Path, what: str) -> NoReturn:
    """Refuse a file in one sentence."""
    raise UsageError(f"{path}: {what}")


def name(value: object, path: Path, what: str) -> str:
    """A name in one line; a longer text, or one that is not a name, is refused."""
    if not isinstance(value, str) or not value.strip():
        unusable(path, f"{what} is missing; expected a name")
    text = " ".join(value.split())
    if len(text) > MOST_CHARACTERS:
        unusable(path, f"{what} has {len(text)} characters; expected a name of at most {MOST_CHARACTERS}")
    return text


def model_name(value: object, path: Path) -> str:
    """A model's name; of one that is a folder of somebody's machine, its last part."""
    text = name(value, path, "the model")
    return Path(text).name if text.startswith(("/", "~", ".")) or re.match(r"[A-Za-z]:\\", text) else text


def count(value: object) -> int | None:
    """A number of items; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def metric(
    label: str, value: object, *, stderr: object = None, n: int | None = None, higher_is_better: bool = True, note: str = ""
) -> MetricResult:
    """One number, with an interval where the file states a standard error."""
    key = re.sub(r"[^\w.@:+-]+", "_", label)[:MOST_CHARACTERS]
    common: dict[str, Any] = {"name": key, "label": label, "n": n, "higher_is_better": higher_is_better, "note": note}
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > MAX_RANGE:
        return MetricResult(value=None, missing="the file has no number here", **common)
    spread = stderr if isinstance(stderr, (int, float)) and not isinstance(stderr, bool) and math.isfinite(stderr) else None
    ends = [float(value)]
    if spread is not None and spread > 0:
        low, high = normal_interval(value, spread)
        common |= {
            "low": low,
            "high": high,
            "interval": "1.96 standard errors, as the file states them: of items, not of patients",
        }
        ends += [low, high]
    common["range"] = (min(0.0, float(math.floor(min(ends)))), max(1.0, float(math.ceil(max(ends)))))
    return MetricResult(value=float(value), **common)


def row(
    harness: str,
    version: str | None,
    *,
    task: str,
    model: str,
    metrics: Sequence[MetricResult],
    path: Path,
    task_version: object = 1,
    n_items: int | None = None,
    date: object = "",
    where: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Result:
    """A published row under the protocol ``foreign``.

    Args:
        harness: its name, the row's suite.
        version: of the harness, where the file says it.
        task: its own name there.
        model: its name there.
        metrics: at least one.
        path: of the file, for messages; only its own name is kept.
        task_version: of the task there.
        n_items: that were asked.
        date: ISO 8601, of the run.
        where: in the file; default: the file's name.
        facts: what else identifies the numbers.

    Raises:
        UsageError: no metric.
    """
    if not metrics:
        unusable(path, f"no number of task '{task}'; expected the results of a finished run")
    suite = re.sub(r"\W+", "_", harness.lower())
    day = date[:10] if isinstance(date, str) and re.match(r"\d{4}-\d{2}-\d{2}", date) else ""
    plain = [one.model_dump(mode="json") for one in metrics]
    return Result(
        kind="published",
        task=f"{suite}.{task}",
        task_version=count(task_version) or 1,
        suite=suite,
        protocol="foreign",
        model=ModelInfo(name=model, backend="published"),
        config_hash=hash_data([harness, version, task, model, day, plain, dict(facts or {})])[:16],
        n_items=n_items,
        metrics=list(metrics),
        primary=next((one.name for one in metrics if one.value is not None), metrics[0].name),
        date=day,
        environment={harness: version} if version else {},
        source=Source(title=f"{harness} {version or ''}".strip(), where=where or path.name),
        caveats=[
            f"A run of {harness}, brought in from its file: prompts, data and scoring are its own and were not checked here."
        ],
    )
