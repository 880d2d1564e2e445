"""What a task's data hold, before any model is run on them: items, patients, gold answers, strata, and how long the texts are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ehrbench.models.protocol import Tokenizer
from ehrbench.readers.item import Item, gold_class
from ehrbench.tasks.schema import TaskSpec


class Part(NamedTuple):
    """Some of a task's items."""

    by: str
    """The stratum; empty for all items."""
    value: str
    items: int
    patients: int
    """Patients behind them; an item that stands alone counts as one."""
    golds: Mapping[str, int]
    """Items by gold answer, most common first, where the answers are a closed set; a label counts in each item that has it."""


class TokenMeans(NamedTuple):
    """Mean tokens per item."""

    question: float
    """Without the definition of the task and the record."""
    answer: float
    """Of the first gold."""
    definition: float | None
    """Of what the release says the task is; None where it says nothing."""


class TaskCounts(NamedTuple):
    """One task."""

    task: str
    title: str
    category: str
    parts: Sequence[Part]
    """All items first, then each value of each stratum."""
    tokens: TokenMeans | None
    """None: nobody counted, or there is no item."""


def task_counts(task: TaskSpec, items: Sequence[Item], tokenizer: Tokenizer | None = None) -> TaskCounts:
    """Count a task's items.

    Args:
        task: whose strata are counted.
        items: all of its data.
        tokenizer: what counts the texts; None: they are not counted.
    """
    parts = [_part("", "", items, task)]
    for spec in task.strata:
        own: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            if spec.by in item.meta and (label := spec.label(item.meta[spec.by])) is not None:
                own[label].append(item)
        parts += [_part(spec.by, value, own[value], task) for value in sorted(own)]
    category = str(task.facts.get("category") or "")
    return TaskCounts(task.task, task.title, category, parts, _tokens(items, tokenizer) if tokenizer and items else None)


def _part(by: str, value: str, items: Sequence[Item], task: TaskSpec) -> Part:
    golds: Counter[str] = Counter()
    for item in items:
        if item.choices and task.output == "choice_probabilities":
            golds[gold_class(item)] += 1
        elif item.labels and item.choices:
            golds.update(set(item.labels))
    patients = len({item.group if item.group is not None else (item.id,) for item in items})
    return Part(by, value, len(items), patients, dict(golds.most_common()))


def _tokens(items: Sequence[Item], tokenizer: Tokenizer) -> TokenMeans:
    known: dict[str, int] = {}

    def count(text: str) -> int:
        if text not in known:
            known[text] = tokenizer.count(text)
        return known[text]

    n = len(items)
    definitions = [str(item.slots["definition"]) for item in items if item.slots.get("definition")]
    return TokenMeans(
        question=sum(count(item.question) for item in items) / n,
        answer=sum(count(item.references[0]) for item in items if item.references) / n,
        definition=sum(map(count, definitions)) / n if definitions else None,
    )
