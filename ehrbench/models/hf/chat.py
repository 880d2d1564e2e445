"""Chat templates, applied once and in one place for every backend, without transformers.

``load_chat`` looks at a checkpoint's template and settles, before the first prompt, what otherwise goes wrong in silence: whether
it takes a system message, whether the model thinks and how that is switched, where the answer begins, and which token starts a
text. The text is the one that transformers' ``apply_chat_template`` makes, byte for byte, with one exception: a template that
asks for today's date is given a fixed one, since a prompt that changes overnight could neither be resumed nor repeated.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_text
from ehrbench.models.hf.chat_template import compile_template, variables
from ehrbench.models.hf.tokenizer import HFTokenizer
from ehrbench.models.protocol import Message
from ehrbench.models.thinking import TAGS, Tags
from ehrbench.models.thinking_tags import find_tags

log = logging.getLogger(__name__)

DEFAULT_DATE = "2024-07-26"
"""What a template is told when it asks for the date: the day that Llama 3.1's own template falls back to."""

_SWITCHES: dict[str, tuple[Any, Any]] = {
    "enable_thinking": (True, False),  # Qwen3, EHR-R1
    "thinking_mode": ("on", "off"),  # Baichuan-M2
    "thinking": (True, False),  # DeepSeek-V3.1, Granite
}
"""Template variables that turn thinking on and off, with their two values."""

_HARMONY_CUE = "<|start|>assistant"
_HARMONY_FINAL = "<|channel|>final<|message|>"

_PROBE_SYSTEM = "ehrbench probe system"
_PROBE = Message("user", "ehrbench probe user")


@dataclass(frozen=True)
class Chat:
    """How one model's conversations become tokens."""

    tokenizer: HFTokenizer
    render_template: Callable[..., str] | None
    """The compiled chat template; None for a base model, which is given the contents joined by a newline."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Given to the template beside the messages: special tokens, the thinking switch, what the user set."""
    off: Mapping[str, Any] = field(default_factory=dict)
    """The same variables with thinking off, for reading choices at the first answer token."""
    merge_system: bool = False
    """The template refuses or ignores a system message: its text goes to the front of the first user message."""
    suffix: str = ""
    """Text after the template's own cue for the answer."""
    thinks: bool = False
    """The model is expected to think before it answers."""
    tags: Sequence[Tags] = TAGS
    """The markers round this model's thinking; its own come first."""
    bos: str | None = None
    """The token that begins every prompt, where the tokenizer has such a rule."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What of this changes an answer, for the model's identity."""

    def text(self, messages: Sequence[Message]) -> str:
        """The exact text of a prompt, the cue for the answer included.

        Raises:
            jinja2.TemplateError: the template refuses the conversation, for instance two user messages in a row.
        """
        return self._text(messages, self.variables)

    def answer_text(self, messages: Sequence[Message]) -> str:
        """The prompt of which the next token is the first of the answer proper: thinking is off, or closed before it began."""
        text = self._text(messages, self.off)
        if text.endswith(_HARMONY_CUE):
            return text + _HARMONY_FINAL
        closing = _opened(text, self.tags)
        if closing is not None:
            return f"{text.rstrip()}\n\n{closing}\n\n"
        if self.thinks and self.off == self.variables:  # the model opens the block itself, and there is no switch
            opening, closing = self.tags[0]
            return f"{text}{opening}\n\n{closing}\n\n"
        return text

    def ids(self, text: str) -> list[int]:
        """The tokens of a prompt's text, with exactly one token at the beginning that says so, where the model has one."""
        if self.bos is None:
            return self.tokenizer.ids(text)
        bos = self.tokenizer.token_id(self.bos)
        if bos is None:
            return self.tokenizer.ids(text)
        if self.render_template is None:
            # Behind a beginning token in the text itself, a metaspace tokenizer would leave out the space before the first word.
            return [bos, *self.tokenizer.ids(text.removeprefix(self.bos))]
        ids = self.tokenizer.ids(text)
        extra = 0
        while extra + 1 < len(ids) and ids[extra] == ids[extra + 1] == bos:
            extra += 1
        return ids[extra:]

    def opens_thinking(self, text: str) -> bool:
        """Whether a prompt ends inside a block of thinking, which the model then continues."""
        return _opened(text, self.tags) is not None

    def _text(self, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
        if self.render_template is None:
            text = "\n".join(message.content for message in messages) + self.suffix
        else:
            if self.merge_system:
                messages = merged(messages)
            turns = [{"role": message.role, "content": message.content} for message in messages]
            text = self.render_template(messages=turns, add_generation_prompt=True, **variables) + self.suffix
        return text if self.bos is None or text.startswith(self.bos) else self.bos + text


def load_chat(
    tokenizer: HFTokenizer,
    *,
    thinking: bool | None = None,
    reasoning: bool | None = None,
    date: str | None = None,
    extra: Mapping[str, Any] | None = None,
    suffix: str = "",
    template: str | None = None,
    tags: Tags | None = None,
) -> Chat:
    """Read a checkpoint's chat template and settle how its prompts are made.

    Args:
        tokenizer: the checkpoint's own.
        thinking: turn the template's thinking switch on or off; None leaves it as the template has it.
        reasoning: say that the model thinks (or does not) where the template does not show it.
        date: what a template that asks for the date is told, ``YYYY-MM-DD`` or ``today``; ``DEFAULT_DATE`` by default.
        extra: further variables of the template, for instance ``{"reasoning_effort": "low"}``.
        suffix: text added after the template's cue for the answer, for instance an empty block of thinking.
        template: Jinja source to use in place of the checkpoint's own; ``none`` takes none (a base model).
        tags: the markers around the model's thinking, where nothing of the checkpoint shows them.

    Raises:
        UsageError: the template cannot be used, or thinking is to be turned on and the template has no switch.
    """
    source = tokenizer.chat_template if template is None else template
    if source == "none":
        source = None
    found = find_tags(source, tokenizer.config, tokenizer.added_tokens)
    known = found if tags is None else (tags, *found)
    if source is None:
        return _base_chat(tokenizer, thinking, reasoning, suffix, known)
    used = variables(source)
    switch = next((name for name in _SWITCHES if name in used), None)
    if thinking and switch is None and "<|channel|>" not in source:
        raise UsageError(
            f"thinking=on: the chat template of '{tokenizer.name}' has no thinking switch (looked for: {', '.join(_SWITCHES)}); "
            "leave it out, or say reasoning=on for a model that thinks by itself"
        )
    render = compile_template(source, _now(date))
    constant = {**tokenizer.special_tokens, **(extra or {})}
    on, off = ({switch: value} for value in _SWITCHES[switch]) if switch else ({}, {})
    chosen = {} if thinking is None else on if thinking else off
    merge = _merges_system(render, {**constant, **chosen}, tokenizer.name)
    bos = _beginning(tokenizer)
    probe = [{"role": _PROBE.role, "content": _PROBE.content}]

    def rendered(switches: Mapping[str, Any]) -> str:
        return render(messages=probe, add_generation_prompt=True, **constant, **switches)

    if bos is not None and not rendered(chosen).startswith(bos):
        log.warning("the chat template of '%s' does not begin with %s, its tokenizer does: one is added", tokenizer.name, bos)
    cue = rendered(chosen) + suffix
    if thinking is False:
        suffix += _closing(cue, known)
        cue = rendered(chosen) + suffix
    thinks = reasoning if reasoning is not None else _thinks(cue, rendered, on, off, thinking, known)
    settings = {
        "chat_template": hash_text(source),
        "thinking": thinks,
        **({"thinking_switch": chosen} if chosen else {}),
        **({"system_message": "merged into the first user message"} if merge else {}),
        **({"template_date": date or DEFAULT_DATE} if "strftime_now" in used else {}),
        **({"template_variables": dict(extra)} if extra else {}),
        **({"prompt_suffix": suffix} if suffix else {}),
        **({"think_tags": list(tags)} if tags is not None else {}),
    }
    switched = {**constant, **chosen}
    return Chat(tokenizer, render, switched, {**constant, **off}, merge, suffix, bool(thinks), known, bos, settings)


def merged(messages: Sequence[Message]) -> list[Message]:
    """The conversation with its system messages put before the first user message, two newlines between."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    if not system:
        return turns
    first = next((i for i, message in enumerate(turns) if message.role == "user"), None)
    if first is None:
        return [Message("user", system), *turns]
    turns[first] = Message("user", f"{system}\n\n{turns[first].content}")
    return turns


def _base_chat(tokenizer: HFTokenizer, thinking: bool | None, reasoning: bool | None, suffix: str, tags: Sequence[Tags]) -> Chat:
    if thinking:
        raise UsageError(
            f"thinking=on: '{tokenizer.name}' has no chat template, so there is nothing to switch; leave it out, or say "
            "reasoning=on for a model that thinks by itself"
        )
    settings = {"chat_template": None, "thinking": bool(reasoning), **({"prompt_suffix": suffix} if suffix else {})}
    bos = _beginning(tokenizer)
    return Chat(tokenizer, None, suffix=suffix, thinks=bool(reasoning), tags=tags, bos=bos, settings=settings)


def _beginning(tokenizer: HFTokenizer) -> str | None:
    """The token that the tokenizer's own rule (its post-processor, or the configuration) puts before a text."""
    bos = tokenizer.special_tokens.get("bos_token")
    if bos is None or tokenizer.token_id(bos) is None:
        return None
    configured = tokenizer.config.get("add_bos_token")
    if isinstance(configured, bool):
        return bos if configured else None
    return bos if tokenizer.ids("a", add_special_tokens=True)[:1] == [tokenizer.token_id(bos)] else None


def _merges_system(render: Callable[..., str], variables: Mapping[str, Any], name: str) -> bool:
    from jinja2 import TemplateError

    user = {"role": _PROBE.role, "content": _PROBE.content}
    try:
        alone = render(messages=[user], add_generation_prompt=True, **variables)
    except (TemplateError, TypeError, KeyError) as error:
        raise UsageError(
            f"the chat template of '{name}' cannot render one user message: {type(error).__name__}: {str(error)[:200]}; "
            "repair the template in the checkpoint's folder, or give another with chat_template=FILE"
        ) from None
    if _PROBE.content not in alone:
        raise UsageError(
            f"the chat template of '{name}' leaves out the user's message; repair the template in the checkpoint's folder, or "
            "give another with chat_template=FILE"
        )
    try:
        both = render(messages=[{"role": "system", "content": _PROBE_SYSTEM}, user], add_generation_prompt=True, **variables)
    except (TemplateError, TypeError, KeyError):
        both = ""
    if _PROBE_SYSTEM in both and _PROBE.content in both:
        return False
    log.warning("the chat template of '%s' takes no system message: system text is put before the first user message", name)
    return True


def _thinks(
    cue: str,
    rendered: Callable[[Mapping[str, Any]], str],
    on: Mapping[str, Any],
    off: Mapping[str, Any],
    thinking: bool | None,
    tags: Sequence[Tags],
) -> bool:
    """Whether a model with this template thinks before it answers."""
    if _opened(cue, tags) is not None or cue.endswith(_HARMONY_CUE):
        return True
    if any(cue.rstrip().endswith(pair.closing) for pair in tags):
        return False
    if not on:
        return False
    return thinking if thinking is not None else rendered({}) == rendered(on) != rendered(off)


def _closing(cue: str, tags: Sequence[Tags]) -> str:
    """What ends the thinking that a template begins without being asked, so that thinking can be turned off nevertheless."""
    if cue.endswith(_HARMONY_CUE):
        return _HARMONY_FINAL
    closing = _opened(cue, tags)
    return "" if closing is None else f"\n{closing}\n\n"


def _opened(text: str, tags: Sequence[Tags]) -> str | None:
    """The closing tag that a prompt's last, unfinished block of thinking waits for.

    Only a tag at the very end counts: a record or a question may quote one.
    """
    end = text.rstrip()
    return next((pair.closing for pair in tags if end.endswith(pair.opening)), None)


def _now(date: str | None) -> Callable[[], datetime.datetime]:
    if date == "today":
        return datetime.datetime.now
    try:
        fixed = datetime.datetime.fromisoformat(date or DEFAULT_DATE)
    except ValueError:
        raise UsageError(f"template_date={date}: expected a date such as {DEFAULT_DATE}, or today") from None
    return lambda: fixed
