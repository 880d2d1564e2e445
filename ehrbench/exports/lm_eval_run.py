"""What lm-eval calls when it runs an exported task: the documents, the scores of one answer, and the aggregates.

A file names ``exported.micro_f1`` and the like: every aggregate of ours is a function of this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ehrbench.errors import UsageError
from ehrbench.exports.lm_eval import Wanted
from ehrbench.readers.item import Item
from ehrbench.tasks.schema import TaskSpec


def documents(**given: Any) -> Any:
    """The documents of an exported task: lm-eval's ``custom_dataset``, called with the file's metadata."""
    from ehrbench.context.chain import chain
    from ehrbench.context.window import Window
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.runs.choices import choice_spellings
    from ehrbench.runs.fewshot import draw_examples, example_pool
    from ehrbench.tasks.slots import prompt_slots

    key = json.dumps(given["ehrbench"])
    wanted, task = _task(key)
    data = open_dataset(task, wanted.data_dir)
    pool = example_pool(data, task.fewshot)
    if task.fewshot.k and task.fewshot.record_tokens:
        raise UsageError(
            f"task '{task.task}' shows records in its worked examples, cut in the model's tokens, which lm-eval cannot do; use "
            "--num-fewshot 0"
        )
    rows = []
    for item in data.items:
        record = data.load_record(item.record_id) if task.record and data.load_record and item.record_id else None
        slots = prompt_slots(item, draw_examples(pool, item, task.fewshot, task.task, wanted.seed))
        messages = chain(record, task.prompt, slots, task.record, Window.of(reserve=0, answer_tokens=0), _plain).messages(0)
        *system, user = messages if wanted.chat else [messages[0]._replace(content=_plain(messages))]
        row: dict[str, Any] = {
            "prompt": user.content,
            "system": _plain(system),
            "reference": item.references[0] if item.references else "",
            "item": json.dumps(_shown(item), default=str),
            "ehrbench": key,
        }
        if task.output != "text":
            if len(item.choices) < 2:
                raise UsageError(
                    f"task '{task.task}', item {item.id}: it lists no choices, so lm-eval cannot ask it; leave it out"
                )
            row |= {"spelled": [one for (one,) in choice_spellings(task, item)], "target": _target(item)}
        rows.append(row)
    datasets: Any = import_module("datasets")
    return {"test": datasets.Dataset.from_list(rows)}


def score(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Our metrics of one written answer: lm-eval's ``process_results``."""
    return _scores(doc, results[0])


def score_choice(doc: dict[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Our metrics of the likeliest choice, the first of equals: lm-eval's ``process_results``."""
    values = [value for value, _ in results]
    return _scores(doc, json.loads(doc["item"])["choices"][values.index(max(values))])


def _scores(doc: dict[str, Any], text: str) -> dict[str, Any]:
    from ehrbench.metrics import METRICS
    from ehrbench.metrics.metric import Scorable
    from ehrbench.tasks.answers import clean

    wanted, task = _task(doc["ehrbench"])
    known = json.loads(doc["item"])
    references, labels, choices = (tuple(known[key]) for key in ("references", "labels", "choices"))
    item = Item(known["id"], known["question"], references=references, labels=labels, choices=choices, meta=known["meta"])
    shown = item.references[:1] if task.references == "first" else item.references
    answer = clean(text, item, task.answer) or ""
    scorable = Scorable(item.id, answer, shown, item.labels, item.choices, item.question, meta=item.meta)
    found: dict[str, Any] = {}
    for metric in map(METRICS.get, wanted.metrics):
        statistics = metric.score([scorable])[0]
        if metric.aggregate == "mean":
            found[metric.name] = float("nan") if statistics is None else metric.item_score(statistics)
        else:
            found[metric.name] = statistics
    return found


def _shown(item: Item) -> dict[str, Any]:
    plain = {"references": item.references, "labels": item.labels, "choices": item.choices}
    return {"id": item.id, "question": item.question, "meta": dict(item.meta), **plain}


def _target(item: Item) -> int:
    """The gold's place among the choices, for lm-eval's own logs; the scores do not look at it."""
    golds = [*item.labels, *item.references]
    return next((item.choices.index(gold) for gold in golds if gold in item.choices), 0)


def _plain(messages: Sequence[Any]) -> str:
    return "\n".join(message.content for message in messages)


@lru_cache(maxsize=64)
def _task(key: str) -> tuple[Wanted, TaskSpec]:
    from ehrbench.tasks.catalog import load_catalog

    wanted = Wanted(**json.loads(key))
    catalog = load_catalog([Path(path) for path in wanted.include_paths])
    return wanted, wanted.apply(catalog.get(wanted.task, wanted.protocol))


def __getattr__(name: str) -> Callable[[Sequence[Any]], float]:
    from ehrbench.stats.aggregate import AGGREGATES

    if name not in AGGREGATES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def aggregate(statistics: Sequence[Any]) -> float:
        rows = np.array([row for row in statistics if row is not None], dtype=np.float64)
        return float(AGGREGATES[name](rows, np.ones((1, len(rows))))[0]) if len(rows) else float("nan")

    aggregate.__name__ = name
    return aggregate
