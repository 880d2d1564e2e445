"""The same questions, put by three harnesses: each writes its own task over one JSONL file and makes a command line.

A harness is told apart by a command, the environment it needs, and how its own files say how many items were scored.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
CONCURRENCY = 64

LM_EVAL_TASK = """\
task: overhead
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: [], max_gen_toks: 16, do_sample: false, temperature: 0}
metric_list: [{metric: exact_match}]
"""

INSPECT_TASK = """\
from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import exact
from inspect_ai.solver import generate


@task
def overhead():
    data = json_dataset("DATA", lambda row: Sample(id=row["id"], input=row["question"], target=row["answer"]))
    return Task(dataset=data, solver=generate(), scorer=exact(), config=GenerateConfig(max_tokens=16, temperature=0))
"""

OUR_TASK = """\
task: overhead
version: 1
description: Invented questions, to time a harness.
data: {reader: jsonl, path: questions, policy: open}
prompt: {user: "{{ question }}"}
generation: {max_tokens: 16, temperature: 0}
metrics: [exact_match]
primary: exact_match
"""


class Harness(NamedTuple):
    """One harness, ready to be run in a folder of its own."""

    name: str
    write: Callable[[Path, Path], None]
    """Takes the folder and the data's file; writes the task."""
    command: Callable[[Path, str], list[str]]
    """Takes the folder and the server's address."""
    scored: Callable[[Path], int | None]
    """Items in the denominator of its score; None: it left no score."""
    start: list[str]
    """A command that shows its help."""


def ours(python: str, *more: str) -> Harness:
    """Ours, with further ``--model-arg``."""

    def write(folder: Path, data: Path) -> None:
        (folder / "tasks").mkdir(parents=True, exist_ok=True)
        (folder / "tasks" / "overhead.yaml").write_text(OUR_TASK)

    def command(folder: Path, url: str) -> list[str]:
        given = ["--model", "openai:stub", "--model-arg", f"base_url={url}", "--model-arg", f"concurrency={CONCURRENCY}"]
        given += [word for argument in more for word in ("--model-arg", argument)]
        place = [
            "--tasks",
            "overhead",
            "--include-path",
            str(folder / "tasks"),
            "--data-dir",
            str(folder),
            "--out",
            str(folder / "out"),
        ]
        return [python, "-m", "ehrbench", "run", *given, *place, "--quiet"]

    def scored(folder: Path) -> int | None:
        for path in folder.glob("out/*/*/*/result.json"):
            metric = json.loads(path.read_text())["metrics"][0]
            return int(metric["n"]) if metric["value"] is not None else 0
        return None

    return Harness(" ".join(("ehrbench", *more)), write, command, scored, [python, "-m", "ehrbench", "--help"])


def lm_eval(python: str) -> Harness:
    def write(folder: Path, data: Path) -> None:
        (folder / "tasks").mkdir(parents=True, exist_ok=True)
        (folder / "tasks" / "overhead.yaml").write_text(LM_EVAL_TASK.replace("DATA", str(data)))

    def command(folder: Path, url: str) -> list[str]:
        model = f"model=stub,base_url={url}/chat/completions,num_concurrent={CONCURRENCY},max_retries=3,tokenized_requests=False"
        return [
            *(python, "-m", "lm_eval", "run", "--model", "local-chat-completions", "--model_args", model),
            *("--include_path", str(folder / "tasks"), "--tasks", "overhead", "--apply_chat_template"),
            *("--output_path", str(folder / "out"), "--log_samples", "--use_cache", str(folder / "cache")),
        ]

    def scored(folder: Path) -> int | None:
        for path in sorted(folder.glob("out/**/results_*.json"))[-1:]:
            return int(json.loads(path.read_text())["n-samples"]["overhead"]["effective"])
        return None

    return Harness("lm-eval", write, command, scored, [python, "-m", "lm_eval", "--help"])


def inspect_ai(python: str) -> Harness:
    def write(folder: Path, data: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "task.py").write_text(INSPECT_TASK.replace("DATA", str(data)))

    def command(folder: Path, url: str) -> list[str]:
        return [
            *(python, "-m", "inspect_ai", "eval-set", "task.py", "--model", "openai/stub", "--model-base-url", url),
            *("-M", "responses_api=false", "--max-connections", str(CONCURRENCY), "--display", "none"),
            *("--log-dir", str(folder / "out"), "--log-format", "json", "--retry-attempts", "1", "--retry-wait", "1"),
        ]

    def scored(folder: Path) -> int | None:
        for path in sorted(folder.glob("out/*overhead*.json"))[-1:]:
            log = json.loads(path.read_text())
            if log["status"] == "success" and log.get("results"):
                return int(log["results"]["scores"][0]["scored_samples"])
        return None

    return Harness("inspect-ai", write, command, scored, [python, "-m", "inspect_ai", "--help"])


def chosen(lm_eval_python: str | None, inspect_python: str | None, with_openai: bool = False) -> list[Harness]:
    """Ours, ours through the package openai where that is asked for, and the peers that are there."""
    peers = [make(python) for make, python in ((lm_eval, lm_eval_python), (inspect_ai, inspect_python)) if python]
    through = [ours(sys.executable, "client=openai")] if with_openai else []
    return [ours(sys.executable), *through, *peers]
