"""Worked examples: drawn once per item, from a seed, never the item itself nor another of its patient."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from ehrbench.context.fit import truncate
from ehrbench.context.window import Frame, Limit, Overflow, Window
from ehrbench.errors import UsageError
from ehrbench.models.protocol import Tokenizer
from ehrbench.models.words import WordTokenizer
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.tasks.schema import FewshotSpec, RecordSpec

_HELD = 4096
"""Examples' records in memory, as they are shown: each is drawn for many items, from all over the data."""


def example_pool(dataset: Dataset, spec: FewshotSpec) -> Sequence[Item]:
    """The items that may serve as examples: the dataset's own part for them, else its items, as a leaky release always has it."""
    return dataset.items if spec.leaky or dataset.examples is None else dataset.examples


def example_records(dataset: Dataset, spec: FewshotSpec, tokenizer: Tokenizer | None) -> Callable[[Item], str] | None:
    """Gives the newest part of an example's record that has at most ``spec.record_tokens`` tokens; None where none is shown.

    Args:
        dataset: holds the records.
        spec: how long they may be, the patient's header included; a cut falls between two entries.
        tokenizer: whose tokens; None: words.
    """
    load = dataset.load_record
    if not spec.k or not spec.record_tokens or load is None:
        return None
    counter = tokenizer or WordTokenizer()
    window = Window((Limit(spec.record_tokens, 0, counter),), counter)

    @lru_cache(maxsize=_HELD)
    def newest(record_id: str) -> str:
        record = load(record_id)
        try:
            fitted = truncate(record, Frame(record.header, ""), window, RecordSpec(cut="entries"))
        except Overflow:
            raise UsageError(
                f"record {record_id}: fewshot.record_tokens is {spec.record_tokens}, which leaves no room for any of it"
            ) from None
        return record.header + fitted.parts[0].text

    return lambda item: "" if item.record_id is None else newest(item.record_id)


def draw_examples(
    pool: Sequence[Item],
    item: Item,
    spec: FewshotSpec,
    task: str,
    seed: int,
    record: Callable[[Item], str] | None = None,
) -> list[dict[str, str]]:
    """The examples that one item's prompt shows.

    Args:
        pool: items that may serve as examples.
        item: the query.
        spec: how many; ``leaky`` lets the query itself be drawn, as a release did.
        task: the task's name, part of the seed.
        seed: the run's.
        record: gives what is shown of an example's record; None: nothing is.

    Returns:
        ``input``, ``output`` and, where there is one, ``record`` of each example.

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
    chosen = [allowed[i] for i in drawn]
    return [
        {"input": one.question, "output": one.references[0] if one.references else ""}
        | ({"record": record(one)} if record else {})
        for one in chosen
    ]


def _related(one: Item, query: Item) -> bool:
    """Whether an item is the query, is of its group, or asks the same about the same."""
    if one.id == query.id or (one.group is not None and one.group == query.group):
        return True
    return one.record_id == query.record_id and one.question == query.question
