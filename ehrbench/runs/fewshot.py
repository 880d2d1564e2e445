"""Worked examples: drawn once an item, from a seed, never the item itself nor another of its patient."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ehrbench.errors import UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.tasks.schema import FewshotSpec


def example_pool(dataset: Dataset, spec: FewshotSpec) -> Sequence[Item]:
    """The items that may serve as examples: the dataset's own part for them, else its items, as a leaky release always has it."""
    return dataset.items if spec.leaky or not dataset.examples else dataset.examples


def draw_examples(pool: Sequence[Item], item: Item, spec: FewshotSpec, task: str, seed: int) -> list[dict[str, str]]:
    """The examples that one item's prompt shows.

    Args:
        pool: items that may serve as examples.
        item: the query.
        spec: how many; ``leaky`` lets the query itself be drawn, as a release did.
        task: the task's name, part of the seed.
        seed: the run's.

    Returns:
        ``input`` and ``output`` of each example.

    Raises:
        UsageError: the pool is too small.
    """
    if spec.k == 0:
        return []
    allowed = pool if spec.leaky else [p for p in pool if not _related(p, item)]
    if len(allowed) < spec.k and not spec.leaky:
        raise UsageError(
            f"item {task}/{item.id}: {len(allowed)} items can serve as examples, {spec.k} are asked for; lower --num-fewshot"
        )
    drawn = random.Random(f"{seed}\0{task}\0{item.id}").sample(range(len(allowed)), min(spec.k, len(allowed)))
    return [{"input": allowed[i].question, "output": allowed[i].references[0] if allowed[i].references else ""} for i in drawn]


def _related(one: Item, query: Item) -> bool:
    """Whether an item is the query, is of its group, or asks the same about the same."""
    if one.id == query.id or (one.group is not None and one.group == query.group):
        return True
    return one.record_id == query.record_id and one.question == query.question
