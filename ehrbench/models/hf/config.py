"""A checkpoint's configuration as transformers reads it: nested parts, older names and library defaults included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ehrbench.models.hf.checkpoint import read_json

_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")
"""Where configurations of models that also see or hear keep that of their language model."""


def load_config(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """The configuration of a checkpoint.

    Returns:
        transformers' own object where it knows the model, else the plain data of ``config.json``.

    Raises:
        UsageError: ``config.json`` is not a JSON object.
    """
    plain = read_json(folder / "config.json")
    if find_spec("transformers") is None:
        return plain
    try:
        transformers: Any = import_module("transformers")
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
    except Exception:  # a model that this release does not know; loading it says so, with what to do
        return plain


def language_parts(config: Any) -> Iterator[Any]:
    """The configuration and its nested language models', the innermost first."""
    for name in _TEXT_PARTS:
        part = value(config, name)
        if part is not None and not isinstance(part, (str, int, float, list)):
            yield from language_parts(part)
    yield config


def value(config: Any, name: str) -> Any:
    """One setting of a configuration object or of plain data; None where it is not set."""
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def setting(config: Any, name: str) -> Any:
    """One setting of the language model; None where no part has it."""
    return next((found for part in language_parts(config) if (found := value(part, name)) is not None), None)
