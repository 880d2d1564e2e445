"""lm-eval's metrics, computed by lm-eval for each item from the stored answers; aggregates and intervals are ours.

A name is ``lm_eval.METRIC[/FILTER][@AGGREGATION][!lower]``: what is left out is the filter ``none``, the mean, and that higher is
better.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from ehrbench.errors import UsageError, unknown_name
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.readers.lm_eval.aggregates import AGGREGATIONS, item_score
from ehrbench.readers.lm_eval.find import load_tasks

log = logging.getLogger(__name__)

PREFIX = "lm_eval."
GENERATED = "lm_eval.generated_choice"
_CITE = "Gao et al. The Language Model Evaluation Harness. Zenodo, doi:10.5281/zenodo.10256836."


_GIVEN: Mapping[str, frozenset[str]] = {
    "loglikelihood": frozenset({"acc", "perplexity"}),
    "loglikelihood_rolling": frozenset({"word_perplexity", "byte_perplexity", "bits_per_byte"}),
    "multiple_choice": frozenset({"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "f1", "mcc", "brier_score"}),
}
"""What lm-eval's own ``process_results`` gives of these kinds, without those that its aggregation then fails on."""


def metric_names(name: str, task: Any) -> list[str]:
    """The names of a task's metrics that can be expressed; what is left out is logged with its reason.

    Raises:
        UsageError: none can.
    """
    names, lost = [], []
    registry: Any = import_module("lm_eval.api.registry")
    functions = {id(registry.get_aggregation(known)): known for known in AGGREGATIONS}
    filters = [one.name for one in task._filters]
    for metric, aggregation in task.aggregation().items():
        known = functions.get(id(aggregation))
        if reason := _lacks(task, metric, known):
            lost.append(f"{metric} ({reason})")
            continue
        lower = task.higher_is_better().get(metric) is False
        for filter_ in filters:
            names.append(
                f"{PREFIX}{metric}"
                + (f"/{filter_}" if filter_ != "none" else "")
                + (f"@{known}" if known != "mean" else "")
                + ("!lower" if lower else "")
            )
    if not names:
        raise UsageError(f"lm-eval task '{name}': none of its metrics can be computed here: {', '.join(lost)}")
    if lost:
        log.warning("lm-eval task '%s' is scored without %s", name, ", ".join(lost))
    return names


def _lacks(task: Any, metric: str, aggregation: str | None) -> str | None:
    """Why a metric cannot be computed here; None where it can."""
    if metric == "bypass":
        return "it measures nothing"
    if aggregation is None:
        return f"its aggregation is none of {', '.join(AGGREGATIONS)}"
    if callable(task.config.process_results):
        return None
    kind = str(task.OUTPUT_TYPE)
    if kind != "generate_until":
        return None if metric in _GIVEN[kind] else f"lm-eval gives none for tasks of the type {kind}"
    if task._metric_fn_list.get(metric) is None:
        return "neither lm-eval nor the library evaluate has it on this machine"
    return None


def metric(name: str) -> Metric:
    """The metric of a name.

    Raises:
        UsageError: the name does not follow the form above.
    """
    if name == GENERATED:
        about = "The share of answers whose written choice is the right one."
        return Metric(GENERATED, 1, "accuracy of the written choice", "item_mean", _written, about=about, cite=_CITE)
    rest, _, lower = name.removeprefix(PREFIX).partition("!")
    found, at, known = rest.rpartition("@")
    if not at or known not in AGGREGATIONS:  # a metric's own name may hold an @, as pass@1
        found, known = rest, "mean"
    plain, _, filter_ = found.partition("/")
    if not plain or lower not in ("", "lower"):
        raise UsageError(
            f"metric '{name}': expected {PREFIX}METRIC[/FILTER][@AGGREGATION][!lower], as `ehrbench tasks show` prints"
        )
    aggregation = AGGREGATIONS[known]
    return Metric(
        name=name,
        version=1,
        label=f"{plain} ({filter_})" if filter_ else plain,
        kind="item_mean" if aggregation.ours == "mean" else "corpus",
        score=partial(_score, plain, filter_ or "none", known),
        range=aggregation.range,
        bounded=False,
        higher_is_better=not lower,
        about=f"What lm-evaluation-harness computes under the name '{plain}' and combines by '{known}'.",
        cite=_CITE,
        aggregate=aggregation.ours,
        item_score=item_score(aggregation),
        settings={"aggregation": known, "filter": filter_ or "none"},
        libraries=("lm-eval",),
        processes=False,  # a task holds its data set, which each process would read again
    )


def _score(name: str, filter_: str, aggregation: str, scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """What lm-eval's ``process_results`` says of each item under one filter."""
    found: dict[str, Statistics | None] = {}
    by_task: dict[str, list[Scorable]] = defaultdict(list)
    for scorable in scorables:
        by_task[json.dumps([scorable.meta["lm_eval"][key] for key in ("name", "asked", "folders")])].append(scorable)
    for key, group in by_task.items():
        task_name, asked, folders = json.loads(key)
        task = load_tasks(asked, tuple(folders))[task_name]
        results = _results(task, filter_, group)
        have = [i for i, values in enumerate(results) if name in values]
        if not have:
            others = sorted({other for values in results for other in values})
            raise UsageError(
                f"lm-eval task '{task_name}' gives no '{name}', but {', '.join(others) or 'nothing'}: ask for one of these with "
                f"--metrics {PREFIX}NAME"
            )
        try:
            statistics = AGGREGATIONS[aggregation].read([results[i][name] for i in have])
        except (TypeError, ValueError, AssertionError) as error:
            raise UsageError(
                f"lm-eval task '{task_name}': its values of '{name}' are not of the form that '{aggregation}' takes "
                f"({type(error).__name__}); correct metric_list in the task file"
            ) from None
        read = dict(zip(have, statistics, strict=True))
        found |= {scorable.item: read.get(i) for i, scorable in enumerate(group)}
    return [found[scorable.item] for scorable in scorables]


def _results(task: Any, filter_: str, scorables: Sequence[Scorable]) -> list[dict[str, Any]]:
    instance: Any = import_module("lm_eval.api.instance").Instance
    rows = []
    for scorable in scorables:
        doc_id = scorable.meta["lm_eval"]["doc"]
        doc = task.eval_docs[doc_id]
        rows.append((doc, [_with(instance, task, doc, doc_id, i, given) for i, given in enumerate(_answers(task, scorable))]))
    names = [one.name for one in task._filters]
    if filter_ not in names:
        raise UsageError(f"lm-eval task '{task.config.task}': {unknown_name('filter', filter_, names)}")
    task._filters[names.index(filter_)].apply([one for _, instances in rows for one in instances])
    results = []
    for scorable, (doc, instances) in zip(scorables, rows, strict=True):
        try:
            results.append(task.process_results(doc, [one.filtered_resps[filter_] for one in instances]))
        except Exception as error:  # the task's own code; its message may quote the document
            raise UsageError(
                f"lm-eval task '{task.config.task}': scoring item {scorable.item} failed in lm-eval or in the task's own code "
                f"({type(error).__name__}); correct the task file"
            ) from None
    return results


def _with(instance: Any, task: Any, doc: Any, doc_id: int, index: int, answers: Sequence[Any]) -> Any:
    made = instance(request_type=task.OUTPUT_TYPE, doc=doc, arguments=(), idx=index, metadata=(task.config.task, doc_id, 1))
    made.resps.extend(answers)
    return made


def _answers(task: Any, scorable: Scorable) -> list[list[Any]]:
    """An item's stored answer as lm-eval's responses: of each request, as many as it is repeated."""
    repeats = int(task.config.repeats or 1)
    if task.OUTPUT_TYPE == "generate_until":
        return [json.loads(scorable.answer or "[]") or [""] * repeats if repeats > 1 else [scorable.answer]]
    values = json.loads(scorable.answer)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return [[float(value)] * repeats for value, _ in values]
    return [[(float(value), bool(greedy))] * repeats for value, greedy in values]


def _written(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where the answer is the gold choice, or begins with it and goes on with something neither letter nor digit."""
    return [(float(_choice(s.answer, s.choices) in s.references),) for s in scorables]


def _choice(answer: str, choices: Sequence[str]) -> str | None:
    text = answer.strip().strip("-*\"'(). ").casefold()
    for choice in sorted(choices, key=len, reverse=True):
        plain = choice.strip().casefold()
        if plain and text.startswith(plain) and not text[len(plain) : len(plain) + 1].isalnum():
            return choice
    return None
