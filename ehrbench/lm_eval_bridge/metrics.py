"""lm-eval's metrics, computed by lm-eval for each item from the stored answers; aggregates and intervals are ours.

A name is ``lm_eval.METRIC[/FILTER][@AGGREGATION][!lower]``: what is left out is the filter ``none``, the mean, and that higher is
better.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.lm_eval_bridge.find import load_tasks
from ehrbench.metrics.metric import Metric, Scorable, Statistics

PREFIX = "lm_eval."
GENERATED = "lm_eval.generated_choice"


def _number(value: Any) -> Statistics | None:
    number = float(value)
    return (number,) if math.isfinite(number) else None


def _weighted(value: Any) -> Statistics:
    total, weight = value
    return (float(total), float(weight))


def _counts(value: Any) -> Statistics:
    gold, found = (int(part) for part in value)
    return (float(gold == found == 1), float(gold != 1 == found), float(gold == 1 != found))


_AGGREGATES: Mapping[str, tuple[str, Callable[[Any], Statistics | None]]] = {
    "mean": ("mean", _number),
    "nanmean": ("mean", _number),
    "perplexity": ("perplexity_of_mean", _number),
    "weighted_perplexity": ("perplexity_of_ratio", _weighted),
    "bits_per_byte": ("bits_of_ratio", _weighted),
    "f1": ("micro_f1", _counts),
}
"""lm-eval's aggregation to ours, and to what an item contributes. The F1 is of class 1, as scikit-learn's default."""


_MOST = 700.0
"""Exponents above this overflow."""


def _first(statistics: Statistics) -> float:
    return statistics[0]


def _perplexity(statistics: Statistics) -> float:
    return math.exp(min(_MOST, -statistics[0] / (statistics[1] if len(statistics) > 1 else 1.0)))


_ITEM_SCORES: Mapping[str, Callable[[Statistics], float]] = {
    "perplexity_of_mean": _perplexity,
    "perplexity_of_ratio": _perplexity,
    "bits_of_ratio": lambda statistics: -statistics[0] / statistics[1] / math.log(2),
}
"""What an item would score alone."""


def metric_names(name: str, task: Any) -> list[str]:
    """The names of a task's metrics that can be expressed.

    Raises:
        UsageError: none can.
    """
    names, others = [], []
    registry: Any = import_module("lm_eval.api.registry")
    functions = {id(registry.get_aggregation(known)): known for known in _AGGREGATES}
    filters = [one.name for one in task._filters]
    for metric, aggregation in task.aggregation().items():
        known = functions.get(id(aggregation))
        if known is None:
            others.append(metric)
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
        raise UsageError(
            f"lm-eval task '{name}': none of its metrics ({', '.join(others)}) has an aggregation that intervals can be made for "
            f"here ({', '.join(_AGGREGATES)})"
        )
    return names


def metric(name: str) -> Metric:
    """The metric of a name.

    Raises:
        UsageError: the name does not follow the form above.
    """
    if name == GENERATED:
        return Metric(GENERATED, 1, "accuracy of the written choice", "item_mean", _written)
    rest, _, lower = name.removeprefix(PREFIX).partition("!")
    rest, _, aggregation = rest.partition("@")
    plain, _, filter_ = rest.partition("/")
    if not plain or lower not in ("", "lower") or (aggregation or "mean") not in _AGGREGATES:
        raise UsageError(
            f"metric '{name}': expected {PREFIX}METRIC[/FILTER][@AGGREGATION][!lower], as `ehrbench tasks show` prints"
        )
    aggregate, read = _AGGREGATES[aggregation or "mean"]
    return Metric(
        name=name,
        version=1,
        label=f"{plain} ({filter_})" if filter_ else plain,
        kind="item_mean" if aggregate == "mean" else "corpus",
        score=partial(_score, plain, filter_ or "none", read),
        range=(0.0, 1.0),
        bounded=False,
        higher_is_better=not lower,
        aggregate=aggregate,
        item_score=_ITEM_SCORES.get(aggregate, _first),
        settings={"aggregation": aggregation or "mean", "filter": filter_ or "none"},
        libraries=("lm-eval",),
        processes=False,  # a task holds its data set, which each process would read again
    )


def _score(
    name: str, filter_: str, read: Callable[[Any], Statistics | None], scorables: Sequence[Scorable]
) -> list[Statistics | None]:
    """What lm-eval's ``process_results`` says of each item under one filter."""
    found: dict[str, Statistics | None] = {}
    by_task: dict[str, list[Scorable]] = defaultdict(list)
    for scorable in scorables:
        by_task[json.dumps([scorable.meta["lm_eval"][key] for key in ("name", "asked", "folders")])].append(scorable)
    for key, group in by_task.items():
        task_name, asked, folders = json.loads(key)
        task = load_tasks(asked, tuple(folders))[task_name]
        for scorable, values in zip(group, _results(task, filter_, group), strict=True):
            found[scorable.item] = read(values[name]) if name in values else None
    return [found[scorable.item] for scorable in scorables]


def _results(task: Any, filter_: str, scorables: Sequence[Scorable]) -> list[dict[str, Any]]:
    instance: Any = import_module("lm_eval.api.instance").Instance
    rows = []
    for scorable in scorables:
        doc_id = scorable.meta["lm_eval"]["doc"]
        doc = task.eval_docs[doc_id]
        rows.append((doc, [_with(instance, task, doc, doc_id, i, answer) for i, answer in enumerate(_answers(task, scorable))]))
    chosen = next(one for one in task._filters if one.name == filter_)
    chosen.apply([one for _, instances in rows for one in instances])
    return [task.process_results(doc, [one.filtered_resps[filter_] for one in instances]) for doc, instances in rows]


def _with(instance: Any, task: Any, doc: Any, doc_id: int, index: int, answer: Any) -> Any:
    made = instance(request_type=task.OUTPUT_TYPE, doc=doc, arguments=(), idx=index, metadata=(task.config.task, doc_id, 1))
    made.resps.append(answer)
    return made


def _answers(task: Any, scorable: Scorable) -> list[Any]:
    """An item's stored answer as lm-eval's responses."""
    if task.OUTPUT_TYPE == "generate_until":
        return [scorable.answer]
    values = json.loads(scorable.answer)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return [float(value) for value, _ in values]
    return [(float(value), bool(greedy)) for value, greedy in values]


def _written(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where the answer is the gold choice, or begins with it and goes on with something that is no letter or digit."""
    return [(float(_choice(s.answer, s.choices) in s.references),) for s in scorables]


def _choice(answer: str, choices: Sequence[str]) -> str | None:
    text = answer.strip().strip("-*\"'(). ").casefold()
    for choice in sorted(choices, key=len, reverse=True):
        plain = choice.strip().casefold()
        if plain and text.startswith(plain) and not text[len(plain) : len(plain) + 1].isalnum():
            return choice
    return None
