"""From the JSON of a reply to an answer: text, thinking, how it ended and what it used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ehrbench.models.protocol import Finish
from ehrbench.models.server.retry import NULL_RETRIES
from ehrbench.models.thinking import split


class Malformed(Exception):
    """A reply without an answer in it; worth another attempt."""

    def __init__(self, kind: str, most_retries: int | None = None) -> None:
        """Name the fault by its class, never by its text."""
        super().__init__(kind)
        self.kind = kind
        self.most_retries = most_retries


class Usage(NamedTuple):
    """Tokens of one call, each None where the server does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Thinking included."""
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class Answer(NamedTuple):
    """What a reply says."""

    text: str
    finish: Finish
    reasoning: str | None
    usage: Usage


def read_answer(data: Any, thinking: bool | None) -> Answer:
    """The answer of a chat or plain completion.

    Args:
        data: the decoded reply.
        thinking: whether the model was asked to think; then a text that ran out of tokens without any tag is thinking.

    Raises:
        Malformed: no choices, null content, or a generation that the server broke off.
    """
    choice = _first_choice(data)
    usage = read_usage(data)
    message = choice.get("message")
    message = message if isinstance(message, dict) else {"content": choice.get("text")}
    content, thought = _parts(message.get("content"))
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning")) or thought
    ended = choice.get("finish_reason")
    if ended == "content_filter" or message.get("refusal"):
        return Answer("", "refused", reasoning, usage)
    if ended in ("abort", "error"):
        raise Malformed("Aborted")
    out_of_tokens = ended in ("length", "max_tokens")
    if content is None:
        if reasoning is None and not (out_of_tokens and usage.reasoning_tokens):
            raise Malformed("NullContent", NULL_RETRIES)
        content = ""
    answer, inline, closed = split(content, opened=bool(thinking) and out_of_tokens and reasoning is None)
    reasoning = "\n".join(part for part in (reasoning, inline) if part) or None
    # A server that keeps the thinking to itself shows by its count alone where the tokens went.
    unspoken = not content and (reasoning is not None or bool(usage.reasoning_tokens))
    if out_of_tokens and (not closed or unspoken):
        return Answer("", "reasoning_length", reasoning, usage)
    return Answer(answer, "length" if out_of_tokens else "stop", reasoning, usage)


def read_usage(data: Any) -> Usage:
    """The token counts of a reply, wherever the server puts them."""
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return Usage()
    prompt_details = usage.get("prompt_tokens_details")
    details = usage.get("completion_tokens_details")
    cached = _count(prompt_details.get("cached_tokens")) if isinstance(prompt_details, dict) else None
    return Usage(
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None,
        cached if cached is not None else _count(usage.get("prompt_cache_hit_tokens")),
    )


def read_first_token(data: Any) -> dict[str, float] | None:
    """Log-probabilities of the likeliest first answer tokens by their text; None where the reply has none.

    Raises:
        Malformed: no choices.
    """
    logprobs = _first_choice(data).get("logprobs")
    if not isinstance(logprobs, dict):
        return None
    if isinstance(content := logprobs.get("content"), list) and content and isinstance(content[0], dict):
        listed = content[0].get("top_logprobs") or [content[0]]
        pairs = [(entry.get("token"), entry.get("logprob")) for entry in listed if isinstance(entry, dict)]
    elif isinstance(top := logprobs.get("top_logprobs"), list) and top and isinstance(top[0], dict):
        pairs = list(top[0].items())
    else:
        return None
    return {token: float(value) for token, value in pairs if isinstance(token, str) and isinstance(value, (int, float))} or None


def choice_masses(logprobs: Mapping[str, float], choices: Sequence[Sequence[str]]) -> list[float]:
    """Probability of each choice at the first token, summed over its spellings.

    A choice none of whose spellings is a token is recognised by beginnings that no other choice shares ("Pne" of "Pneumonia").
    A choice that is not among the likeliest tokens has 0.
    """
    masses = []
    for number, spellings in enumerate(choices):
        tokens = {token for token in logprobs if token in spellings}
        if not tokens:
            others = [spelling for other, group in enumerate(choices) if other != number for spelling in group]
            tokens = {
                token
                for token in logprobs
                if token.strip() and any(s.startswith(token) for s in spellings) and not any(s.startswith(token) for s in others)
            }
        masses.append(math.fsum(math.exp(logprobs[token]) for token in tokens))
    return masses


def _first_choice(data: Any) -> dict[str, Any]:
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Malformed("NoChoices")
    return choices[0]


def _parts(content: Any) -> tuple[str | None, str | None]:
    """Text and thinking of a content that is a string or a list of typed parts."""
    if not isinstance(content, list):
        return (content if isinstance(content, str) else None), None
    parts = [part for part in content if isinstance(part, dict)]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    thoughts = [_parts(part.get("thinking"))[0] for part in parts if part.get("type") == "thinking"]
    return ("".join(texts) if texts else None), "".join(filter(None, thoughts)) or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
