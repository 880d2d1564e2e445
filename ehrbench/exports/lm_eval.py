"""Our tasks as lm-eval task files: a file names the task, and ``exported`` makes the documents when lm-eval runs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.metrics.metric import Metric
from ehrbench.tasks.schema import Protocol, TaskSpec

LIMITS = (
    "One call a question: no refinement and no retrieval. The whole record stands in the prompt and is not cut to the window: "
    "lm-eval cuts what is too long from the left, instruction included, without a word.",
    "Standard errors are lm-eval's, not clustered by patient. There is no data policy, and lm-eval's logs of samples hold the "
    "records' text.",
    "Of a model that thinks, the thoughts count to max_gen_toks.",
)
PLAIN = (
    "For lm_eval without --apply_chat_template: the prompt is the one that a base model is given. With that option the system "
    "message would be a part of the user's."
)
CHAT = (
    "For lm_eval with --apply_chat_template, whose prompt is then the one that the checkpoint is given here. Without that option "
    "no line end parts the system message from the question."
)
FEWSHOT = "Worked examples are in the prompts, drawn as `ehrbench run` draws them; lm-eval's --num_fewshot is ignored."
_RUN = "ehrbench.exports.lm_eval_run"


@dataclass(frozen=True)
class Wanted:
    """What ``ehrbench run`` would be told of the task; kept in the file."""

    task: str = ""
    protocol: Protocol = "clean"
    prompt: str = "default"
    num_fewshot: int | None = None
    seed: int = 0
    data_dir: str | None = None
    """Made absolute, unless it is ``sample`` or None."""
    include_paths: tuple[str, ...] = ()
    chat: bool = False
    """System message and question are turns, for ``--apply_chat_template``; else one text."""
    metrics: tuple[str, ...] = ()
    """Of the file, whatever could be computed where it is used."""

    def apply(self, task: TaskSpec) -> TaskSpec:
        """The task with these choices in it, its records whole.

        Raises:
            UsageError: an unknown prompt variant.
        """
        from ehrbench.runs.options import RunOptions, apply_options

        chosen = RunOptions(prompt=self.prompt, num_fewshot=self.num_fewshot)
        return apply_options(task, chosen if task.record is None else replace(chosen, context="full"))


def export_tasks(tasks: Sequence[TaskSpec], folder: Path, wanted: Wanted) -> list[Path]:
    """Write one file per task; no text of a record is in it.

    Args:
        tasks: of one protocol.
        folder: made where it does not exist.
        wanted: for every task; its names of a task and of metrics are not looked at.

    Raises:
        UsageError: a task that lm-eval's dialect cannot hold. No file is then written.
    """
    place = wanted.data_dir
    paths = tuple(str(Path(one).resolve()) for one in wanted.include_paths)
    wanted = replace(wanted, data_dir=str(Path(place).resolve()) if place and place != "sample" else place, include_paths=paths)
    for task in tasks:
        _refuse_first_tokens(task)
    texts = {f"{_name(task)}.yaml": _file(task, replace(wanted, task=task.task, metrics=exportable(task))) for task in tasks}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


def notes(task: TaskSpec, wanted: Wanted) -> list[str]:
    """What does not hold when lm-eval runs the task; the lines at the file's head."""
    fewshot = [FEWSHOT] if wanted.apply(task).fewshot.k else []
    lost = [f"Without {', '.join(names)}, which cannot be computed there."] if (names := _left_out(task)) else []
    return [*LIMITS, CHAT if wanted.chat else PLAIN, *fewshot, *lost]


def _name(task: TaskSpec) -> str:
    return f"ehrbench_{task.task.replace('.', '_')}"


def _refuse_first_tokens(task: TaskSpec) -> None:
    if task.output != "text" and (task.output, task.spellings) != ("choice_probabilities", "spaced"):
        raise UsageError(
            f"task '{task.task}' is answered by probabilities of first tokens, which lm-eval does not give; leave it out (tasks "
            "with 'spellings: spaced' can be exported)"
        )


def _file(task: TaskSpec, wanted: Wanted) -> str:
    chosen = wanted.apply(task)
    head = [f"# {line}" for line in ["Made by `ehrbench tasks export-lm-eval`.", *notes(task, wanted)]]
    lines = [
        f"task: {_name(task)}",
        f"custom_dataset: !function {_RUN}.documents",
        "test_split: test",
        "num_fewshot: 0",
        *(["description: system"] if wanted.chat else []),
        "doc_to_text: prompt",
    ]
    if task.output == "text":
        settings = {"until": list(chosen.generation.stop), "max_gen_toks": chosen.generation.max_tokens, **_sampling(chosen)}
        lines += [
            "output_type: generate_until",
            "doc_to_target: reference",
            f"process_results: !function {_RUN}.score",
            f"generation_kwargs: {json.dumps(settings)}",
        ]
    else:
        lines += [
            "output_type: multiple_choice",
            "doc_to_choice: spelled",
            "doc_to_target: target",
            'target_delimiter: ""',
            f"process_results: !function {_RUN}.score_choice",
        ]
    lines.append("metric_list:")
    for metric in map(_metric, wanted.metrics):
        aggregation = "nanmean" if metric.aggregate == "mean" else f"!function {_RUN}.{metric.aggregate}"
        better = json.dumps(metric.higher_is_better)
        lines.append(f"  - {{metric: {metric.name}, aggregation: {aggregation}, higher_is_better: {better}}}")
    lines.append(f"metadata: {{version: {task.version}, ehrbench: {json.dumps(asdict(wanted))}}}")
    return "\n".join([*head, *lines]) + "\n"


def _sampling(task: TaskSpec) -> dict[str, Any]:
    if task.generation.temperature == 0:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": task.generation.temperature, "top_p": task.generation.top_p}


def exportable(task: TaskSpec) -> tuple[str, ...]:
    """The names of the task's metrics that lm-eval can be given.

    Raises:
        UsageError: there is none.
    """
    left = set(_left_out(task))
    found = tuple(name for name in task.metrics if name not in left)
    if not found:
        raise UsageError(f"task '{task.task}' has no metric that can be computed here within lm-eval ({', '.join(task.metrics)})")
    return found


def _left_out(task: TaskSpec) -> list[str]:
    found = []
    for name in task.metrics:
        metric = _metric(name)
        needs = metric.needs & {"source", "probabilities"}
        if needs or metric.unavailable() is not None:
            found.append(name)
    return found


def _metric(name: str) -> Metric:
    from ehrbench.metrics import METRICS

    return METRICS.get(name)
