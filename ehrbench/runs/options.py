"""What the user asked of a run, and the configuration that decides its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ehrbench.errors import UsageError, unknown_name
from ehrbench.hashing import hash_data
from ehrbench.models.capabilities import UsesTemplate
from ehrbench.models.protocol import Model, Tokenizer
from ehrbench.tasks.run_on import base_model_stops
from ehrbench.tasks.schema import ContextPolicy, Keep, PromptSpec, Protocol, TaskSpec

if TYPE_CHECKING:
    from ehrbench.runs.loggers.logger import Logger
    from ehrbench.runs.shards import Shard

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class RunOptions:
    """The choices of one ``ehrbench run``; None means what the task says."""

    protocol: Protocol = "clean"
    prompt: str = "default"
    context: ContextPolicy | None = None
    keep: Keep | None = None
    max_model_len: int | None = None
    """Window in tokens, prompt and answer together."""
    chunk_tokens: int | None = None
    max_tokens: int | None = None
    max_reasoning_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] | None = None
    """Strings that end an answer; empty: none, whatever the task and the model."""
    num_fewshot: int | None = None
    limit: int | None = None
    """First items only."""
    samples: tuple[str, ...] | None = None
    """Ids of the items to be asked, ``id`` or ``task/id``; None: all."""
    seed: int = 0
    data_dir: str | None = None
    out: Path = Path("results")
    include_paths: tuple[Path, ...] = ()
    model: str = ""
    model_args: Mapping[str, str] = field(default_factory=dict)
    budget_tokenizer: str | None = None
    shard: Shard | None = None
    """Which part of the items; decides no number, so it is not part of the configuration."""
    log_to: tuple[Logger, ...] = ()
    """Who is told numbers while the run goes on; decides none of them either."""

    @property
    def model_window(self) -> int | None:
        """The window that the model is loaded with.

        With a budget tokenizer the window is counted in its tokens, and the model's own window holds beside it.
        """
        return None if self.budget_tokenizer else self.max_model_len


CHOICES: Mapping[str, tuple[str, ...]] = {
    "protocol": ("clean", "paper"),
    "context": ("truncate", "refine", "retrieve", "full"),
    "keep": ("end", "start"),
}
"""Legal words of options that have a few."""


def read_options(given: Mapping[str, Any], model_args: Mapping[str, str]) -> RunOptions:
    """Options by name, checked.

    Args:
        given: fields of ``RunOptions``, and ``model_profile``; None means what the task says. ``shard`` as text
            ("1/4"), ``samples`` as ids or a text (``parse_samples``), ``log_to`` as texts ``SERVICE[:PLACE]``.
        model_args: of the backend.

    Raises:
        UsageError: an unknown option or an illegal value.
        MissingError: the package of a logger is not here.
    """
    from ehrbench.runs.samples import parse_samples
    from ehrbench.runs.shards import parse_shard

    names = {field.name for field in fields(RunOptions)}
    values = dict(given)
    profile = values.pop("model_profile", None)
    for name, value in values.items():
        if name not in names:
            raise UsageError(unknown_name("option", name, {*names, "model_profile"}))
        if value is not None and name in CHOICES and value not in CHOICES[name]:
            raise UsageError(f"--{name} is '{value}': expected {', '.join(CHOICES[name])}")
    if (limit := values.get("limit")) is not None and limit < 1:
        raise UsageError(f"--limit is {limit}: expected at least 1")
    if profile is not None:
        from ehrbench.runs.profiles import load_profile, with_profile

        values, model_args = with_profile(values, model_args, load_profile(profile))
    if isinstance(values.get("samples"), str):
        values["samples"] = parse_samples(values["samples"])
    elif values.get("samples") is not None:
        values["samples"] = tuple(map(str, values["samples"]))
    if isinstance(values.get("shard"), str):
        values["shard"] = parse_shard(values["shard"])
    if given_loggers := values.pop("log_to", None):
        from ehrbench.runs.loggers.places import loggers

        values["log_to"] = loggers(given_loggers, Path(values.get("out", "results")))
    return RunOptions(**{**values, "model_args": model_args})


def apply_options(task: TaskSpec, options: RunOptions) -> TaskSpec:
    """The task with the user's choices in it.

    Raises:
        UsageError: an unknown prompt variant, a number outside of what a task file may say, or a context policy for a task
            without records.
    """
    generation = {
        name: getattr(options, name)
        for name in ("max_tokens", "max_reasoning_tokens", "temperature", "top_p", "stop")
        if getattr(options, name) is not None
    }
    changes: dict[str, Any] = {
        "prompt": choose_prompt(task, options.prompt),
        "generation": _chosen(task.generation, generation),
    }
    if options.num_fewshot is not None:
        changes["fewshot"] = _chosen(task.fewshot, {"k": options.num_fewshot})
    if task.record is not None:
        record = {"context": options.context, "keep": options.keep, "chunk_tokens": options.chunk_tokens}
        changes["record"] = _chosen(task.record, {k: v for k, v in record.items() if v is not None})
    elif options.context is not None:
        raise UsageError(f"task '{task.task}' has no records, so --context {options.context} means nothing for it; leave it out")
    return task.model_copy(update=changes)


def _chosen(part: S, choices: Mapping[str, Any]) -> S:
    """A part of the task with the user's choices in it, held to the limits of a task file."""
    try:
        return type(part).model_validate({**dict(part), **choices})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        option = {"k": "num-fewshot"}.get(str(fault["loc"][0]), str(fault["loc"][0]).replace("_", "-"))
        wanted = fault["msg"].removeprefix("Input should be ")
        raise UsageError(f"--{option}: expected {wanted[:1].lower()}{wanted[1:]}") from None


def with_base_model_stops(task: TaskSpec, options: RunOptions, model: Model) -> TaskSpec:
    """The task with stop strings where a base model is to write an answer and nobody has said where that ends.

    Under ``paper`` nothing is added: the papers stop where they say.
    """
    base = isinstance(model, UsesTemplate) and model.template is None
    if not base or options.stop is not None or task.generation.stop or options.protocol == "paper" or task.output != "text":
        return task
    stop = base_model_stops(task.prompt)
    return task.model_copy(update={"generation": task.generation.model_copy(update={"stop": stop})})


def choose_prompt(task: TaskSpec, name: str) -> PromptSpec:
    """The prompt of one name; ``default`` is the task's own."""
    if name == "default":
        return task.prompt
    if name not in task.variants:
        raise UsageError(f"task '{task.task}': " + unknown_name("prompt", name, ["default", *task.variants]))
    return task.variants[name]


def run_config(
    task: TaskSpec, options: RunOptions, model: Model, data_hash: str, tokenizer: Tokenizer | None, window: int | None
) -> dict[str, Any]:
    """Everything that decides the numbers, as plain JSON: its hash names the run's folder.

    Args:
        task: with the user's choices in it (``apply_options``).
        options: for what is not in the task.
        model: who answers.
        data_hash: digest of the dataset.
        tokenizer: whose tokens the window is counted in.
        window: tokens; None where there is none.
    """
    identity = model.identity
    return {
        "task": task.task,
        "task_version": task.version,
        "task_hash": task.model_copy(update={"variants": {}}).digest(),
        "protocol": options.protocol,
        "prompt": options.prompt,
        "prompt_hash": task.prompt.digest(),
        "data_hash": data_hash,
        "model": {
            "name": identity.name,
            "backend": identity.backend,
            "revision": identity.revision,
            "settings": dict(identity.settings),
        },
        "generation": task.generation.model_dump(mode="json"),
        "context": None
        if task.record is None
        else {
            **task.record.as_config(),
            "window": window,
            "tokenizer": tokenizer.name if tokenizer else None,
            "tokenizer_fingerprint": tokenizer.fingerprint if tokenizer else None,
        },
        "num_fewshot": task.fewshot.k,
        "limit": options.limit,
        "seed": options.seed,
    }


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration."""
    return hash_data(config)
