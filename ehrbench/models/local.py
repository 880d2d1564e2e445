"""What every engine that runs in this process reads from its arguments and from a checkpoint's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.arguments import Arguments
from ehrbench.models.hf.chat import Chat, load_chat
from ehrbench.models.hf.tokenizer import HFTokenizer, load_tokenizer

CHAT_ARGUMENTS = {
    "thinking": "on or off: the chat template's thinking switch",
    "reasoning": "on: the model thinks although its template does not show it",
    "chat_template": "a Jinja file in place of the checkpoint's template; none: a base model",
    "chat_template_kwargs": "JSON object of further template variables",
    "template_date": "YYYY-MM-DD or today: what a template that asks for the date is told",
    "prompt_suffix": "text after the template's cue for the answer; \\n is a new line",
}
"""The ``--model-arg`` names that ``read_chat`` reads."""


def read_chat(tokenizer: HFTokenizer, given: Arguments) -> Chat:
    """The chat format that the arguments of an engine in this process ask for.

    Raises:
        MissingError: the template file is not there.
        UsageError: see ``load_chat``.
    """
    template = given.text("chat_template")
    if template not in (None, "none"):
        path = Path(template).expanduser()
        if not path.is_file():
            raise MissingError(f"--model-arg chat_template={template}: no such file; expected a Jinja file, or none")
        template = path.read_text("utf-8")
    return load_chat(
        tokenizer,
        thinking=given.switch("thinking"),
        reasoning=given.switch("reasoning"),
        date=given.text("template_date"),
        extra=given.json_object("chat_template_kwargs"),
        suffix=(given.text("prompt_suffix") or "").replace("\\n", "\n"),
        template=template,
    )


def window(config: Mapping[str, Any], max_model_len: int | None, name: str) -> int | None:
    """Tokens of prompt and answer together: the checkpoint's own limit, or the smaller one that was asked for.

    Raises:
        UsageError: the window asked for is larger than the model's.
    """
    own: int | None = None
    for part in (config, config.get("text_config") or {}):
        for key in ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx"):
            if own is None and isinstance(part.get(key), int):
                own = part[key]
    if own is not None and max_model_len is not None and max_model_len > own:
        raise UsageError(
            f"--max-model-len {max_model_len} is more than the {own} tokens that '{name}' can hold: give at most {own}"
        )
    return own if max_model_len is None else max_model_len


def saved_dtype(config: Mapping[str, Any]) -> str:
    """The type of the weights that a checkpoint's configuration names; ``auto`` where it names none."""
    text: Mapping[str, Any] = config.get("text_config") or {}
    found = next((part[key] for part in (config, text) for key in ("dtype", "torch_dtype") if part.get(key)), "auto")
    return str(found)


def load_named_tokenizer(name: str, folder: Path) -> HFTokenizer:
    """The tokenizer of a checkpoint's folder, named after the path or hub id that the user gave."""
    tokenizer = load_tokenizer(str(folder))
    tokenizer.name = folder.resolve().name if Path(name).expanduser().exists() else name.rsplit("/", 1)[-1]
    return tokenizer


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed versions of packages; those that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
