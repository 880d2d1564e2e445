"""``--model-arg`` for vLLM: any argument of its engine, checked against the engine that is installed before it is started."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from ehrbench.errors import UsageError, unknown_name
from ehrbench.models.arguments import refuse_secrets
from ehrbench.models.local import CHAT_ARGUMENTS

OWN_ARGUMENTS = {
    "revision": "branch, tag or commit of a hub id in the local cache",
    "lora": "folder of a LoRA adapter (adapter_config.json and its weights)",
    "guided": "choices: an answer to an item with choices is held to one of them",
    **CHAT_ARGUMENTS,
}
"""The names that are ours; every other one is the engine's."""

_SET_BY_US = {
    "model": "the part of --model after the colon",
    "tokenizer": "the checkpoint's own",
    "max_model_len": "--max-model-len",
    "skip_tokenizer_init": "prompts are tokenised here",
    "generation_config": "the task's own sampling settings",
    "override_generation_config": "the task's own sampling settings",
    "logprobs_mode": "probabilities come from the unchanged distribution",
    "enable_lora": "lora=FOLDER",
    "runner": "this is a generating model",
    "convert": "this is a generating model",
}

_CAPACITY = frozenset(
    {
        *("gpu_memory_utilization", "kv_cache_memory_bytes", "num_gpu_blocks_override", "block_size", "cpu_offload_gb"),
        *("max_num_seqs", "max_num_batched_tokens", "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"),
        *(
            "enable_prefix_caching",
            "enable_chunked_prefill",
            "enforce_eager",
            "disable_log_stats",
            "load_format",
            "async_scheduling",
        ),
        *("distributed_executor_backend", "max_parallel_loading_workers", "disable_custom_all_reduce", "max_logprobs"),
    }
)
"""How fast and on what, not what: like the size of a batch, these do not make it another model."""


class VllmArguments(NamedTuple):
    """What the user gave, sorted."""

    own: dict[str, str]
    """Ours, as text."""
    engine: dict[str, Any]
    """The engine's, in the types of its signature."""

    @property
    def settings(self) -> dict[str, Any]:
        """Engine arguments that may change an answer, for the model's identity."""
        return {name: value for name, value in sorted(self.engine.items()) if name not in _CAPACITY}


def read_arguments(given: Mapping[str, str], engine_args: Callable[..., Any]) -> VllmArguments:
    """Sort the arguments and turn the engine's into the types that its signature names.

    Args:
        given: names and values as the user wrote them.
        engine_args: vLLM's ``EngineArgs``.

    Raises:
        UsageError: a name that neither we nor the engine know, one that another option sets, or a value of another type.
    """
    refuse_secrets(given)
    known = {name: annotation for name, annotation in _annotations(engine_args).items() if not name.startswith("_")}
    own, engine = {}, {}
    for name, text in given.items():
        if name in OWN_ARGUMENTS:
            own[name] = text
        elif name in _SET_BY_US:
            raise UsageError(f"--model-arg {name}: not taken, it is set by {_SET_BY_US[name]}; leave it out")
        elif name not in known:
            problem = unknown_name("argument of vllm", name, {*OWN_ARGUMENTS, *(set(known) - set(_SET_BY_US))})
            raise UsageError(f"--model-arg {name}: {problem}")
        else:
            engine[name] = _value(name, text, known[name])
    return VllmArguments(own, engine)


def _annotations(engine_args: Callable[..., Any]) -> dict[str, Any]:
    try:
        signature = inspect.signature(engine_args, eval_str=True)
    except NameError:  # a type that is imported for type checkers alone
        signature = inspect.signature(engine_args)
    return {name: parameter.annotation for name, parameter in signature.parameters.items()}


def _value(name: str, text: str, annotation: Any) -> Any:
    """A text as one of the types of an annotation, the narrowest first."""
    kinds = list(_members(annotation))
    if type(None) in kinds and text.lower() == "none":
        return None
    words = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind) if isinstance(value, str)]
    if text in words:
        return text
    if bool in kinds and text.lower() in ("on", "off", "true", "false"):
        return text.lower() in ("on", "true")
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
    if any(_is_structure(kind) for kind in kinds) and (str not in kinds or text[:1] in ("{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            pass
    if str in kinds:
        return text
    raise UsageError(f"--model-arg {name}={text}: expected {_expected(kinds, words)}")


def _members(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif get_origin(annotation) is not None and get_origin(annotation) is not Literal and hasattr(annotation, "__metadata__"):
        yield from _members(get_args(annotation)[0])
    else:
        yield annotation


def _is_structure(kind: Any) -> bool:
    return kind not in (bool, int, float, str, type(None)) and get_origin(kind) is not Literal


def _expected(kinds: list[Any], words: list[str]) -> str:
    names = {bool: "on or off", int: "a whole number", float: "a number"}
    found = [text for kind, text in names.items() if kind in kinds]
    if words:
        found.append("one of " + ", ".join(words))
    if any(_is_structure(kind) for kind in kinds):
        found.append("JSON")
    return ", or ".join(found) if found else "a value of the type in vLLM's own documentation"
