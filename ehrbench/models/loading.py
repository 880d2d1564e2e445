"""From what the user wrote after ``--model`` to a ``Model``, and the table of backends.

A backend is a factory ``(name, args, max_model_len) -> Model``. Making a model opens no socket: the data policy is checked first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError, unknown_name
from ehrbench.models.arguments import refuse_secrets
from ehrbench.models.protocol import Model
from ehrbench.registry import Registry

Backend = Callable[[str, Mapping[str, str], int | None], Model]
"""Takes the part of the spec after the colon, the ``--model-arg`` values and ``--max-model-len``."""

MODELS: Registry[Backend] = Registry(
    "model backend",
    {
        "azure": "ehrbench.models.server.load:azure",
        "baseline": "ehrbench.models.offline.baseline:load",
        "hf": "ehrbench.models.hf.model:load",
        "lm-eval": "ehrbench.models.lm_eval:load",
        "openai": "ehrbench.models.server.load:openai",
        "replay": "ehrbench.models.offline.replay:load",
        "vllm": "ehrbench.models.vllm.model:load",
    },
    entry_point_group="ehrbench.models",
)


class BackendInfo(NamedTuple):
    """One line of ``ehrbench models list``."""

    name: str
    spec: str
    what: str
    needs: str
    unavailable: str | None
    """Why it cannot be used here, with the next step; None when it can."""


def load_model(spec: str, args: Mapping[str, str], max_model_len: int | None) -> Model:
    """Make the model that a spec names.

    Args:
        spec: ``backend:name``, or a checkpoint's folder or hub id.
        args: the ``--model-arg`` values.
        max_model_len: tokens of prompt and answer together; None takes what the model says.

    Raises:
        UsageError: an unknown backend, argument or value.
        MissingError: a checkpoint, a file or a package that is not on this machine.
    """
    backend, name = split_spec(spec)
    if max_model_len is not None and max_model_len < 1:
        raise UsageError(f"--max-model-len {max_model_len}: expected at least 1 token")
    refuse_secrets({**args, "--model": spec})
    if backend in ("hf", "vllm"):
        # Before the backend asks for its packages: a mistyped name should not be answered with advice to install torch.
        from ehrbench.models.hf.checkpoint import require_weights, resolve

        require_weights(resolve(name, args.get("revision")))
    return MODELS.get(backend)(name, args, max_model_len)


def open_model(spec: str, model_args: Mapping[str, object] | None = None, max_model_len: int | None = None) -> Model:
    """The model that a spec names, for ``evaluate`` or for asking it directly; ``close()`` frees it.

    Args:
        spec: what ``--model`` takes.
        model_args: the backend's arguments, as ``--model-arg`` takes them.
        max_model_len: tokens of prompt and answer together; None takes what the model says.

    Raises:
        UsageError: an unknown backend, argument or value.
        MissingError: a checkpoint, a file or a package that is not on this machine.
    """
    return load_model(spec, {key: str(value) for key, value in (model_args or {}).items()}, max_model_len)


def split_spec(spec: str) -> tuple[str, str]:
    """The backend and the name of a spec; a bare path or hub id is given the engine that this machine has.

    Raises:
        UsageError: an unknown backend, or nothing after the colon.
    """
    backend, colon, name = spec.partition(":")
    if not spec.strip():
        raise UsageError("--model is empty: expected a checkpoint's folder, or backend:name such as baseline:bm25")
    if colon and backend in MODELS:
        if not name:
            raise UsageError(f"--model {spec}: nothing after the colon; expected for instance {_example(backend)}")
        return backend, name
    if colon and not Path(spec).exists():
        raise UsageError(f"--model {spec}: {unknown_name('model backend', backend, MODELS)}, and no folder has that name")
    if not colon and spec in MODELS:
        raise UsageError(f"--model {spec}: '{spec}' is a backend; say which of its models, for instance {_example(spec)}")
    return ("vllm" if _vllm_works() else "hf"), spec


def describe_backends() -> list[BackendInfo]:
    """Every backend, what it needs and whether it can be used on this machine; imports none of them."""
    ours = {info.name: info for info in _own_backends()}
    plugins = [BackendInfo(name, f"{name}:…", "from a plugin", "", None) for name in MODELS if name not in ours]
    return sorted([*(info for name, info in ours.items() if name in MODELS), *plugins])


def _own_backends() -> list[BackendInfo]:
    torch = [package for package in ("torch", "transformers") if find_spec(package) is None]
    no_torch = f"{' and '.join(torch)} not installed: pip install 'ehrbench[hf]'" if torch else None
    azure = None if os.environ.get("AZURE_OPENAI_API_KEY") else "AZURE_OPENAI_API_KEY is not set"
    needs = "a server; OPENAI_API_KEY where it asks for a key"
    vllm = None if find_spec("vllm") else "vllm not installed: pip install 'ehrbench[vllm]'"
    lm_eval = None if find_spec("lm_eval") else "lm-eval not installed: pip install 'ehrbench[lm-eval]'"
    return [
        BackendInfo("azure", _example("azure"), "a deployment of Azure OpenAI", "AZURE_OPENAI_API_KEY", azure),
        BackendInfo(
            "baseline", _example("baseline"), "bm25, newest, majority or empty: what any model has to beat", "nothing", None
        ),
        BackendInfo("hf", _example("hf"), "a checkpoint, run by transformers", "torch, transformers, the weights", no_torch),
        BackendInfo("lm-eval", _example("lm-eval"), "any local model class of lm-eval", "lm-eval", lm_eval),
        BackendInfo("openai", _example("openai"), "any OpenAI-compatible server (base_url=…)", needs, None),
        BackendInfo("replay", _example("replay"), "answers made elsewhere", "a JSONL or CSV file", None),
        BackendInfo("vllm", _example("vllm"), "a checkpoint, run by vLLM", "vllm, a GPU, the weights", vllm),
    ]


def _example(backend: str) -> str:
    return {
        "azure": "azure:DEPLOYMENT",
        "baseline": "baseline:bm25",
        "hf": "hf:PATH",
        "lm-eval": "lm-eval:hf,pretrained=PATH",
        "openai": "openai:NAME",
        "replay": "replay:FILE",
        "vllm": "vllm:PATH",
    }.get(backend, f"{backend}:NAME")


def _vllm_works() -> bool:
    if "vllm" not in MODELS or find_spec("vllm") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
