"""The exact prompts of a prediction, made again from what is stored and checked against the key of the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ehrbench.context.fitted import Span
from ehrbench.context.retrieve import joined
from ehrbench.models.protocol import Message, ModelIdentity, Request
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.runs.choices import asked_texts
from ehrbench.runs.fewshot import draw_examples, example_pool
from ehrbench.runs.keys import call_key, model_key, sampling_seed
from ehrbench.runs.prediction import Prediction
from ehrbench.tasks.prompts import frames, refine_frames
from ehrbench.tasks.slots import prompt_slots
from ehrbench.workbench.view.runs import Run


class Prompt(NamedTuple):
    """One call's messages."""

    step: int
    """From 1."""
    messages: Sequence[Message]
    verified: bool
    """Whether the key of the stored call is that of these messages: then they are what the model was sent, to the letter."""


def prompts(run: Run, dataset: Dataset, item: Item, prediction: Prediction) -> list[Prompt] | str:
    """The prompts of an item, or a sentence that says why they cannot be made again.

    Args:
        run: whose.
        dataset: the run's data.
        item: the item.
        prediction: its own.
    """
    config, task = run.manifest["config"], run.task
    if task.fewshot.k and task.fewshot.record_tokens:
        return "This run's examples show records, which are cut in the model's tokens; its prompts are not made again here."
    examples = draw_examples(example_pool(dataset, task.fewshot), item, task.fewshot, task.task, config["seed"])
    slots = prompt_slots(item, examples)
    shown = prediction.record_shown
    header = text = ""
    if task.record is not None and item.record_id is not None and dataset.load_record is not None:
        if shown is None:
            return "This run did not keep which part of the record each prompt showed; run it again to see its prompts."
        record = dataset.load_record(item.record_id)
        header, text = record.header, record.text
    parts = [header + joined(text, [Span(s, e) for s, e in spans]) for spans in shown] if shown else [header]
    model = config["model"]
    key = model_key(ModelIdentity(model["name"], model["backend"], model.get("revision"), model.get("settings", {})))
    made = []
    for k in range(len(prediction.steps)):
        part = parts[min(k, len(parts) - 1)]
        if k == 0 or len(parts) == 1:
            messages = frames(task.prompt, slots).fill(part)
        else:
            messages = refine_frames(task.prompt, slots, k + 1, len(parts), prediction.steps[k - 1].text).fill(part)
        request = Request(
            id="",
            messages=messages,
            max_tokens=task.generation.max_tokens,
            temperature=task.generation.temperature,
            top_p=task.generation.top_p,
            stop=task.generation.stop,
            seed=sampling_seed(task, config["seed"], item.id),
            max_reasoning_tokens=task.generation.max_reasoning_tokens,
            spellings=asked_texts(task, item) if k == len(parts) - 1 else (),
        )
        earlier = replace(request, seed=config["seed"])  # before items had seeds of their own
        verified = prediction.steps[k].key in (call_key(key, request), call_key(key, earlier))
        made.append(Prompt(k + 1, messages, verified))
    return made
