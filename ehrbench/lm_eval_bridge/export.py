"""Our tasks as lm-eval task files: the file names the task, and the documents are made here when lm-eval runs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.tasks.schema import TaskSpec

LIMITS = (
    "Made by `ehrbench tasks export-lm-eval`. Limits: one call a question (no refinement, no retrieval); the whole record stands "
    "in the prompt and is not cut to the window, and lm-eval cuts a prompt that is too long from the left, instruction included, "
    "without a word; standard errors are lm-eval's, not clustered by patient; lm-eval's logs of samples hold the records' text."
)


def export_tasks(tasks: Sequence[TaskSpec], folder: Path, data_dir: str | None, protocol: str) -> list[Path]:
    """Write one file a task; no text of a record is in it.

    Raises:
        UsageError: a task that lm-eval's dialect cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for task in tasks:
        if task.output != "text":
            raise UsageError(f"task '{task.task}' is answered by probabilities, which an exported task cannot be; leave it out")
        path = folder / f"ehrbench_{task.task.replace('.', '_')}.yaml"
        path.write_text(_file(task, data_dir, protocol), "utf-8")
        written.append(path)
    return written


def _file(task: TaskSpec, data_dir: str | None, protocol: str) -> str:
    name = f"ehrbench_{task.task.replace('.', '_')}"
    stop, limit = json.dumps(list(task.generation.stop)), task.generation.max_tokens
    metrics = "".join(f"  - {{metric: {metric}, aggregation: mean}}\n" for metric in _means(task))
    where = json.dumps(str(Path(data_dir).resolve()) if data_dir and data_dir != "sample" else data_dir)
    return (
        f"# {LIMITS}\ntask: {name}\ncustom_dataset: !function ehrbench.lm_eval_bridge.export.documents\ntest_split: test\n"
        'output_type: generate_until\ndoc_to_text: "{{prompt}}"\ndoc_to_target: "{{reference}}"\n'
        "process_results: !function ehrbench.lm_eval_bridge.export.score\n"
        f"generation_kwargs: {{until: {stop}, max_gen_toks: {limit}, do_sample: false}}\nmetric_list:\n{metrics}"
        f"metadata: {{version: {task.version}, ehrbench_task: {task.task}, protocol: {protocol}, data_dir: {where}}}\n"
    )


def _means(task: TaskSpec) -> list[str]:
    from ehrbench.metrics import METRICS

    names = [name for name in task.metrics if (metric := METRICS.get(name)).aggregate == "mean" and not metric.needs & {"source"}]
    names = [name for name in names if METRICS.get(name).unavailable() is None]
    if not names:
        raise UsageError(f"task '{task.task}' has no metric on this machine that is a mean over items, as lm-eval needs")
    return names


def documents(**given: Any) -> Any:
    """The documents of an exported task: lm-eval's ``custom_dataset``."""
    from importlib import import_module

    from ehrbench.context.chain import chain
    from ehrbench.context.window import Window
    from ehrbench.datasets.data_dir import open_dataset
    from ehrbench.tasks.catalog import load_catalog

    task = load_catalog(()).get(given["ehrbench_task"], given["protocol"])
    data = open_dataset(task, given["data_dir"])
    rows = []
    for item in data.items:
        record = data.load_record(item.record_id) if task.record and data.load_record and item.record_id else None
        slots = {**item.slots, "question": item.question, "choices": list(item.choices), "examples": []}
        full = task.record.model_copy(update={"context": "full"}) if task.record else None
        made = chain(record, task.prompt, slots, full, Window.of(reserve=0, answer_tokens=0), _plain)
        plain = {"item": item.id, "references": item.references, "labels": item.labels, "choices": item.choices}
        rows.append(
            {
                "prompt": _plain(made.messages(0)),
                "reference": item.references[0] if item.references else "",
                "scorable": json.dumps({**plain, "question": item.question, "meta": dict(item.meta)}, default=str),
                "task": task.task,
                "protocol": given["protocol"],
            }
        )
    datasets: Any = import_module("datasets")
    return {"test": datasets.Dataset.from_list(rows)}


def _plain(messages: Sequence[Any]) -> str:
    return "\n".join(message.content for message in messages)


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Our metrics of one answer: lm-eval's ``process_results``."""
    from ehrbench.datasets.item import Item
    from ehrbench.metrics import METRICS
    from ehrbench.metrics.metric import Scorable
    from ehrbench.tasks.answers import clean
    from ehrbench.tasks.catalog import load_catalog

    task = load_catalog(()).get(doc["task"], doc["protocol"])
    known = json.loads(doc["scorable"])
    references, choices = tuple(known["references"]), tuple(known["choices"])
    labels, meta = tuple(known["labels"]), known["meta"]
    item = Item(id=known["item"], question=known["question"], references=references, labels=labels, choices=choices, meta=meta)
    answer = clean(results[0], item, task.answer) or ""
    shown = references[:1] if task.references == "first" else references
    scorable = Scorable(item.id, answer, shown, labels, choices, item.question, meta=meta)
    found = {name: METRICS.get(name).score([scorable])[0] for name in _means(task)}
    return {name: METRICS.get(name).item_score(one) if one is not None else float("nan") for name, one in found.items()}
