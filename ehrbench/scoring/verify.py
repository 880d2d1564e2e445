"""Recompute a result from the stored predictions, and say what does not agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ehrbench.metrics import METRICS
from ehrbench.readers.item import Item
from ehrbench.results.schema import MetricResult, Result
from ehrbench.results.store import read_result
from ehrbench.runs.chains import read_outcome
from ehrbench.runs.options import config_hash
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.scoring.run import score_run
from ehrbench.scoring.score import missing
from ehrbench.stats.bootstrap import is_earlier
from ehrbench.tasks.answers import clean
from ehrbench.tasks.catalog import Catalog
from ehrbench.tasks.schema import DESCRIPTIVE, TaskSpec

TOLERANCE = 1e-9


def verify_run(run: LoadedRun, arguments: Mapping[str, str] | None = None) -> list[str]:
    """Every disagreement between a run's files, one sentence each; empty when all of it holds.

    Checked: the folder's name and the manifest's hash against the configuration; one prediction per item; each cleaned answer
    against the raw one; each metric that can be computed here, value, interval and caution; counts of outcomes. An interval of an
    earlier version is checked against the estimator that its description names.
    """
    return list(_problems(run, arguments or {}))


def task_problems(run: LoadedRun, catalog: Catalog) -> list[str]:
    """What of a run's task is no longer as its file says, one sentence each; choices of the command line may differ.

    Raises:
        UsageError: no task file has such a task.
    """
    stored, now = run.task, catalog.get(run.task.task, run.manifest["config"]["protocol"])
    other = [
        name
        for name in type(stored).model_fields
        if name not in _CHOSEN and name not in _ASIDE and _fixed(stored, name) != _fixed(now, name)
    ]
    if stored.prompt not in (now.prompt, *now.variants.values()):
        other.append("prompt")
    where = f" (version {now.version}, the run's {stored.version})" if now.version != stored.version else ""
    return [f"manifest.json: '{name}' of task '{stored.task}' is not what its file says now{where}" for name in other]


_CHOSEN = frozenset({"prompt", "generation", "variants"})
"""Fields that the command line may set as a whole."""
_PARTLY_CHOSEN: Mapping[str, frozenset[str]] = {
    "fewshot": frozenset({"k"}),
    "record": frozenset({"context", "keep", "chunk_tokens"}),
}
"""Fields of which it may set these."""
_ASIDE = frozenset({*DESCRIPTIVE, "group", "expected_items"})
"""Fields that decide no number of a run, nor which run it is."""


def _fixed(task: TaskSpec, name: str) -> Any:
    """A field, less what the command line may set of it."""
    value = task.model_dump(mode="json")[name]
    return {k: v for k, v in value.items() if k not in _PARTLY_CHOSEN[name]} if value and name in _PARTLY_CHOSEN else value


def _problems(run: LoadedRun, arguments: Mapping[str, str]) -> Iterator[str]:
    actual = config_hash(run.manifest["config"])
    if run.manifest["config_hash"] != actual:
        yield "manifest.json: config_hash is not the hash of config"
    if run.folder.path.name != actual[: len(run.folder.path.name)]:
        yield f"the folder is named {run.folder.path.name}, its configuration hashes to {actual[:16]}"
    by_id = {item.id: item for item in run.items}
    for unknown in sorted(set(run.predictions) - set(by_id)):
        yield f"predictions.jsonl: item {unknown} is not in the data"
    for item_id, prediction in run.predictions.items():
        if item_id not in by_id or prediction.probabilities is not None:
            continue
        if prediction.outcome in ("answered", "unparsed"):
            _, answer = read_outcome(prediction.steps[-1], partial(_clean, run, by_id[item_id]))
            if answer != prediction.answer:
                yield f"predictions.jsonl: item {item_id}: the stored answer is not what the clean-ups make of the stored text"
    if not run.folder.result.exists():
        yield "there is no result.json; `ehrbench score` writes it"
        return
    yield from _compare(read_result(run.folder.result), run, arguments)


def _clean(run: LoadedRun, item: Item, text: str) -> str | None:
    return clean(text, item, run.task.answer)


def _compare(stored: Result, run: LoadedRun, arguments: Mapping[str, str]) -> Iterator[str]:
    names = [metric.name for metric in stored.metrics if metric.value is not None and missing(metric.name, arguments) is None]
    earlier = [metric.name for metric in stored.metrics if is_earlier(metric.interval)]
    made = score_run(run, names, write=False, arguments=arguments, earlier=earlier) if names else None
    for metric in stored.metrics:
        if metric.value is not None and metric.name not in names:
            yield f"{metric.name}: cannot be computed on this machine: {missing(metric.name, arguments)}"
    for metric in made.metrics if made else []:
        if metric.name in names:
            yield from _differences(stored.metric(metric.name), metric)
    if made and made.outcomes != stored.outcomes:
        yield "result.json: the counts of outcomes are not those of the predictions"


def _differences(stored: MetricResult | None, made: MetricResult) -> Iterator[str]:
    assert stored is not None
    tolerance = max(TOLERANCE, METRICS.get(made.name).tolerance)
    for name in ("value", "low", "high", "strict_value", "n"):
        old, new = getattr(stored, name), getattr(made, name)
        if (old is None) != (new is None) or (
            old is not None and not math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
        ):
            yield f"{made.name}.{name}: stored {old}, recomputed {new}"
    if stored.caution != made.caution:
        yield f"{made.name}.caution: stored '{stored.caution}', recomputed '{made.caution}'"
    if stored.signature != made.signature:
        yield f"{made.name}: stored as {stored.signature}, here it is {made.signature}"
