"""What every engine that runs in this process reads from its arguments and from a checkpoint's configuration."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.arguments import Arguments
from ehrbench.models.hf.chat import Chat, load_chat
from ehrbench.models.hf.config import setting
from ehrbench.models.hf.tokenizer import HFTokenizer, load_tokenizer
from ehrbench.models.hf.window import OwnWindow, own_window
from ehrbench.models.thinking_tags import read_tags

log = logging.getLogger(__name__)

CHAT_ARGUMENTS = {
    "thinking": "on or off: the chat template's thinking switch",
    "reasoning": "on: the model thinks although its template does not show it",
    "chat_template": "a Jinja file in place of the checkpoint's template; none: a base model",
    "chat_template_kwargs": "JSON object of further template variables",
    "template_date": "YYYY-MM-DD or today: what a template that asks for the date is told",
    "prompt_suffix": "text after the template's cue for the answer; \\n is a new line",
    "think_tags": "the markers around the model's thinking, as <thought>,</thought>, where its files do not show them",
    "window": "tokens that the model holds, where its files say another number",
}
"""The ``--model-arg`` names that this module reads."""


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
        tags=None if (tags := given.text("think_tags")) is None else read_tags(tags),
    )


def read_window(name: str, folder: Path, config: Any, tokenizer: HFTokenizer, given: Arguments) -> OwnWindow:
    """The window of a checkpoint, after a warning where nothing says how long it is."""
    stated = given.integer("window", 1, 1) if given.text("window") is not None else None
    own = own_window(folder, config, tokenizer.config, stated)
    if own.tokens is None:
        log.warning(
            "no file of '%s' says how many tokens it holds, so no record is cut for it: give --max-model-len N, or "
            "--model-arg window=N if you know it",
            name,
        )
    return own


def require_vocabulary(name: str, config: Any, tokenizer: HFTokenizer) -> None:
    """Check that the tokens which begin and end a text are in the model's vocabulary.

    Raises:
        UsageError: one is named and has no id, or an id for which the model has no weights.
    """
    size = setting(config, "vocab_size")
    for key in ("bos_token", "eos_token"):
        token = tokenizer.special_tokens.get(key)
        number = None if token is None else tokenizer.token_id(token)
        if token is not None and (number is None or (isinstance(size, int) and number >= size)):
            known = "has no id" if number is None else f"has the id {number}, and the model's vocabulary ends at {size}"
            raise UsageError(
                f"the tokenizer of '{name}' names {token} as its {key}, which {known}: the tokenizer and the weights are of "
                "different models, so copy both again"
            )


def template_source(chat: Chat, given: Arguments) -> str | None:
    """Whose chat template makes the prompts, for people; None: there is none."""
    if chat.render_template is None:
        return None
    return "of the checkpoint" if given.text("chat_template") is None else f"in {given.text('chat_template')}"


def introduction(chat: Chat, template: str | None, own: OwnWindow, used: int | None) -> str:
    """How a checkpoint is asked, in one line."""
    asked = "no chat template: a base model, given the task's text alone" if template is None else f"chat template {template}"
    thinks = ", thinks before it answers" if chat.thinks else ""
    if used is None:
        window = "window unknown"
    else:
        of = "" if own.tokens is None or own.tokens == used else f" of {own.tokens:,}"
        window = f"window {used:,}{of} tokens" + (f" ({own.source})" if own.source else "")
    return f"{asked}{thinks}; {window}"


def saved_dtype(config: Any) -> str:
    """The type of the weights that a checkpoint's configuration names; ``auto`` where it names none."""
    found = next((found for key in ("dtype", "torch_dtype") if (found := setting(config, key)) is not None), "auto")
    return str(found).removeprefix("torch.")


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
