"""lm-eval's documents as items: the requests that lm-eval itself builds, one item a document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.lm_eval.find import FEWSHOT_SEED, load_tasks
from ehrbench.readers.reader import ReaderOptions, reader


class Options(ReaderOptions):
    """``data.options`` of ``lm_eval``, as ``lm_eval.tasks`` writes them."""

    name: str
    """The task's name in lm-eval."""
    asked: str
    """What the user asked for: the task, or a group that holds it."""
    folders: tuple[str, ...]
    """Where its file may be, beside lm-eval's own."""
    generate: bool = False
    """Whether a multiple-choice answer is to be written instead of weighed."""
    repeats: int = 1
    """Answers per item."""
    num_fewshot: int = 0


@reader(Options, slots=("context",), meta=("lm_eval",))
def read(root: Path, options: Options) -> Dataset:
    """The items of an lm-eval task; ``root`` is not looked at, because lm-eval's task file says where its data are.

    Raises:
        MissingError: see ``load_tasks``.
        UsageError: see ``load_tasks``; or a document that asks for several generated answers.
    """
    task = load_tasks(options.asked, options.folders)[options.name]
    task.set_config(key="num_fewshot", value=options.num_fewshot)
    task.set_fewshot_seed(FEWSHOT_SEED)  # the draws of one document go on from those of the document before
    items = []
    for doc_id, doc in task.doc_iterator(rank=0, limit=None, world_size=1, samples=None):
        instances = _instances(task, doc_id, doc)
        requests = [[str(part) for part in instance.args if isinstance(part, str)] for instance in instances]
        meta = {"lm_eval": {"name": options.name, "asked": options.asked, "folders": list(options.folders), "doc": doc_id}}
        if options.generate:
            items.append(_generated(task, doc_id, doc, requests, meta))
        else:
            slots = {"context": requests[0][0] if len(requests[0]) > 1 or task.OUTPUT_TYPE == "generate_until" else ""}
            pairs = tuple(tuple(parts) for parts in requests)
            items.append(Item(id=str(doc_id), question="", slots={**slots, "requests": pairs}, meta=meta))
    digest = hash_data([[item.slots["context"], item.slots.get("requests"), _gold(task, item.meta)] for item in items])
    return Dataset(root=root, items=items, files=(), derived_from=digest)


def _instances(task: Any, doc_id: int, doc: Any) -> list[Any]:
    """The requests of one document, as ``Task.build_all_requests`` makes them, without its cache."""
    context = task.fewshot_context(
        doc,
        num_fewshot=task.config.num_fewshot or 0,
        system_instruction=None,
        apply_chat_template=False,
        fewshot_as_multiturn=False,
        chat_template=None,
        gen_prefix=task.doc_to_prefix(doc),
    )
    made = task.construct_requests(doc=doc, ctx=context, metadata=(task.config.task, doc_id, 1), apply_chat_template=False)
    return made if isinstance(made, list) else [made]


def _generated(task: Any, doc_id: int, doc: Any, requests: list[list[str]], meta: Mapping[str, Any]) -> Item:
    """A multiple-choice question whose answer is to be written."""
    if task.multiple_input:
        raise UsageError(f"lm-eval task '{task.config.task}' puts its choices before the question, so none can be written")
    choices = tuple(str(choice) for choice in task.doc_to_choice(doc))
    gold = task.doc_to_target(doc)
    wanted = gold if isinstance(gold, list) else [gold]
    references = tuple(choices[one] if isinstance(one, int) else str(one) for one in wanted)
    listed = "\n".join(f"- {choice}" for choice in choices)
    context = f"{requests[0][0]}\n\nReply with exactly one of these, and nothing else:\n{listed}"
    return Item(id=str(doc_id), question="", references=references, choices=choices, slots={"context": context}, meta=dict(meta))


def _gold(task: Any, meta: Mapping[str, Any]) -> str:
    return str(task.doc_to_target(task.eval_docs[meta["lm_eval"]["doc"]]))
