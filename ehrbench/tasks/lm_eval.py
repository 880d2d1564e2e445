"""An lm-eval task as one of ours: same prompts, same filters, same metrics; run, resumed and reported as every task is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.models.lm_eval_package import require_lm_eval
from ehrbench.readers.lm_eval.find import is_shipped, load_tasks
from ehrbench.readers.lm_eval.metrics import GENERATED, metric_names
from ehrbench.tasks.schema import TaskSpec

PREFIX = "lm_eval:"
GENERATE = "generate"


def select_lm_eval(part: str, folders: Sequence[Path]) -> list[TaskSpec]:
    """The tasks that ``lm_eval:NAME`` or ``lm_eval:NAME@generate`` means; several for a group or a tag.

    Args:
        part: as it stands in ``--tasks``.
        folders: ``--include-path``.

    Raises:
        MissingError: lm-eval or the task's data are not here.
        UsageError: no such task, or one that cannot be expressed.
    """
    name, _, way = part.removeprefix(PREFIX).partition("@")
    if not name or way not in ("", GENERATE):
        raise UsageError(f"--tasks {part}: expected {PREFIX}NAME, or {PREFIX}NAME@{GENERATE} for a generated answer")
    paths = tuple(str(folder.resolve()) for folder in folders)
    return [_spec(one, task, name, paths, way == GENERATE) for one, task in load_tasks(name, paths).items()]


def _spec(name: str, task: Any, asked: str, folders: tuple[str, ...], generate: bool) -> TaskSpec:
    config = task.config
    if getattr(task, "UNSAFE_CODE", False) or getattr(task, "MULTIMODAL", False):
        raise UsageError(f"lm-eval task '{name}' runs generated code or shows images, which is not supported here")
    kind = str(task.OUTPUT_TYPE)
    if generate and kind != "multiple_choice":
        raise UsageError(f"lm_eval:{name}@{GENERATE}: the task is of type {kind}; @{GENERATE} is for multiple_choice alone")
    metrics = [GENERATED] if generate else metric_names(name, task)
    text = generate or kind == "generate_until"
    repeats = int(config.repeats or 1) if kind == "generate_until" else 1  # a likelihood is the same each time
    return TaskSpec.model_validate(
        {
            "task": "lm_eval." + _identifier(name) + (f".{GENERATE}" if generate else ""),
            "version": 1,
            "title": f"{name} (lm-eval{', generated answer' if generate else ''})",
            "description": f"lm-eval's task '{name}', version {task.VERSION}, run by ehrbench",
            "group": ["lm_eval"],
            "data": {
                "reader": "lm_eval",
                "path": "lm_eval",
                "policy": "open" if is_shipped(asked, folders) else "credentialed",
                "options": {
                    **{"name": name, "asked": asked, "folders": list(folders), "generate": generate},
                    **({"repeats": repeats} if repeats > 1 else {}),
                },
                "slots": ["context"],
            },
            "prompt": {"user": "{{ context }}"},
            "output": "text" if text else "log_likelihoods",
            "generation": _generation(name, config.generation_kwargs or {}, generate),
            # lm-eval draws its examples itself; ours of the same number are drawn and not shown.
            "fewshot": {"k": config.num_fewshot or 0, "leaky": True},
            "answer": ["strip_thinking", "strip"] if generate else [],
            "metrics": metrics,
            "primary": metrics[0],
            "facts": {"lm_eval": require_lm_eval(), "output_type": kind, "task_version": str(task.VERSION)},
        }
    )


def _generation(name: str, given: Mapping[str, Any], generate: bool) -> dict[str, Any]:
    if generate:
        return {"max_tokens": 32}
    until = given.get("until") or []
    sampled = bool(given.get("do_sample")) and float(given.get("temperature") or 0) > 0
    unknown = set(given) - {"until", "max_gen_toks", "max_tokens", "max_new_tokens", "do_sample", "temperature", "top_p"}
    if unknown:
        raise UsageError(
            f"lm-eval task '{name}' generates with {', '.join(sorted(unknown))}, which is not supported here; give the task file "
            "without it in a folder of your own (--include-path)"
        )
    limit = next((given[key] for key in ("max_gen_toks", "max_new_tokens", "max_tokens") if given.get(key)), 256)
    return {
        "max_tokens": int(limit),
        "stop": [until] if isinstance(until, str) else list(until),
        "temperature": float(given["temperature"]) if sampled else 0.0,
        "top_p": float(given.get("top_p") or 1.0) if sampled else 1.0,
    }


def _identifier(name: str) -> str:
    """A name that our schema takes; where characters had to go, a few of its hash keep it unique."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "task"
    return plain if plain == name else f"{plain}_{hashlib.sha256(json.dumps(name).encode()).hexdigest()[:6]}"
