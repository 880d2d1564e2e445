"""The plan: which items are asked, in which order, and each item's chain of calls, made when the engine wants it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ehrbench.context.chain import Chain, chain
from ehrbench.context.window import Overflow, Window
from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.hashing import hash_text
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.records.record import Record
from ehrbench.runs.chains import ItemChain, overflowed
from ehrbench.runs.choices import asked_texts
from ehrbench.runs.engine import Work
from ehrbench.runs.fewshot import draw_examples, example_pool, example_records
from ehrbench.runs.keys import sampling_seed
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.prepared import Prepared
from ehrbench.tasks.answers import clean
from ehrbench.tasks.slots import prompt_slots

RECORDS_HELD = 4
"""Records in memory at a time; items on one record are neighbours, so one would nearly do."""


def plan_work(run: Prepared, items: Iterable[Item], model_key: str) -> Iterator[Work]:
    """The work of each item, in the order in which it should be started.

    Items on the same record are neighbours: an engine's prefix cache then computes each record once, and a record is read and
    tokenised once.
    """
    records = _RecordCache(run.dataset)
    window = run_window(run)
    task = run.task
    example_record = example_records(run.dataset, task.fewshot, run.tokenizer)
    for item in neighbours(items):
        try:
            record = records.load(item) if task.record is not None else None
        except EhrbenchError as error:  # a broken record costs its own items and no others; the message names its file
            yield Prediction(item=item.id, outcome="api_error", answer=None, error=f"record: {error}")
            continue
        try:
            texts = asked_texts(task, item)
            room = with_room_for(texts, window) if task.output == "choice_probabilities" else window
            calls = item_chain(run, item, record, room, example_record)
        except Overflow as overflow:
            yield overflowed(item, str(overflow), overflow.record_tokens)
            continue
        yield ItemChain(
            item=item,
            fitted=calls.fitted,
            step=calls.step,
            prompt_tokens=calls.prompt_tokens,
            length=calls.steps,
            generation=task.generation,
            seed=sampling_seed(task, run.options.seed, item.id),
            model_key=model_key,
            clean=partial(_clean, task.answer),
            shown=partial(_shown, calls),
            spellings=texts,
            prefix=records.hash(record) if record is not None else None,
        )


def item_chain(
    run: Prepared, item: Item, record: Record | None, window: Window, example_record: Callable[[Item], str] | None
) -> Chain:
    """The calls of one item.

    Args:
        run: whose.
        item: asked.
        record: its own.
        window: what its prompts have to fit.
        example_record: what is shown of a worked example's record; None: nothing.

    Raises:
        Overflow: it cannot be asked within the window.
    """
    spec = run.task.fewshot
    examples = draw_examples(example_pool(run.dataset, spec), item, spec, run.task.task, run.options.seed, example_record)
    return chain(record, run.task.prompt, prompt_slots(item, examples), run.task.record, window, run.model.prompt_text)


def run_window(run: Prepared) -> Window:
    """Every limit that the run's prompts have to keep."""
    generation, record = run.task.generation, run.task.record
    reserve = record.reserve if record is not None else None
    if reserve is None:
        reserve = generation.max_tokens + (generation.max_reasoning_tokens if run.model.thinks else 0)
    context_length = run.model.context_length
    if record is None and run.tokenizer is None:
        context_length = None  # nothing here could be cut, and a server says itself when a prompt does not fit
    return Window.of(
        reserve=reserve,
        answer_tokens=generation.max_tokens,
        max_tokens=run.options.max_model_len,
        budget_tokenizer=run.budget_tokenizer,
        context_length=context_length,
        model_tokenizer=run.model.tokenizer,
    )


def with_room_for(texts: Iterable[Sequence[str]], window: Window) -> Window:
    """The window with room for the longest spelling of a choice, which an engine puts after the prompt.

    One token more than the spelling has alone: where it joins the prompt, it may be parted otherwise.
    """
    spellings = [text for choice in texts for text in choice]
    limits = [
        limit._replace(reserve=max(limit.reserve, 1 + max((limit.tokenizer.count(text) for text in spellings), default=0)))
        for limit in window.limits
    ]
    return replace(window, limits=tuple(limits))


def neighbours(items: Iterable[Item]) -> Iterator[Item]:
    """Items on the same record side by side, the records in order of first appearance."""
    groups: OrderedDict[str, list[Item]] = OrderedDict()
    for item in items:
        groups.setdefault(item.id if item.record_id is None else f"record {item.record_id}", []).append(item)
    for group in groups.values():
        yield from group


def _clean(steps: Sequence[str], text: str, item: Item) -> str | None:
    return clean(text, item, steps)


def _shown(calls: Chain, step: int) -> tuple[str, Sequence[object]]:
    """What step k shows of the record, with its entries where the part is a plain piece of it: for baselines."""
    if calls.fitted is None or calls.record is None or not calls.fitted.parts:
        return "", ()
    part = calls.fitted.parts[step]
    end = part.start + len(part.text)
    if calls.record.text[part.start : end] != part.text:
        return part.text, ()
    inside = [e for e in calls.record.entries if e.start >= part.start and e.end <= end]
    return part.text, [e._replace(start=e.start - part.start, end=e.end - part.start) for e in inside]


class _RecordCache:
    """The last few records."""

    def __init__(self, dataset: Dataset) -> None:
        self._load: Callable[[str], Record] | None = dataset.load_record
        self._held: OrderedDict[str, tuple[Record, str]] = OrderedDict()

    def load(self, item: Item) -> Record:
        if self._load is None or item.record_id is None:
            raise UsageError(f"item {item.id} has no record, but the task file has a 'record:' section; remove it")
        if item.record_id in self._held:
            self._held.move_to_end(item.record_id)
        else:
            record = self._load(item.record_id)
            self._held[item.record_id] = record, hash_text(record.header + record.text)
            while len(self._held) > RECORDS_HELD:
                self._held.popitem(last=False)
        return self._held[item.record_id][0]

    def hash(self, record: Record) -> str:
        held = self._held.get(record.id)
        return held[1] if held else hash_text(record.header + record.text)
