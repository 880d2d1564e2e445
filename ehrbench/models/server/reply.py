"""From the JSON of a reply to an answer: text, thinking, how it ended and what it used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ehrbench.models.protocol import Finish
from ehrbench.models.server.retry import NULL_RETRIES
from ehrbench.models.thinking import TAGS, Tags, split


class Malformed(Exception):
    """A reply without an answer in it; worth another attempt."""

    def __init__(self, kind: str, most_retries: int | None = None) -> None:
        """Name the fault by its class, never by its text."""
        super().__init__(kind)
        self.kind = kind
        self.most_retries = most_retries


MOST_TOKENS = 10**9
"""More than this is not a count of tokens."""

# What servers of different families call the ways in which a generation ends, in lower case.
_LENGTH = frozenset(
    {"length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded", "error_limit", "limit"}
)
_FILTERED = frozenset(
    {
        *(
            "content_filter",
            "content_filtered",
            "safety",
            "recitation",
            "blocklist",
            "prohibited_content",
            "spii",
            "image_safety",
        ),
        *("guardrail_intervened", "refusal", "error_toxic", "sensitive"),
    }
)
_BROKEN_OFF = frozenset(
    {"abort", "error", "cancelled", "insufficient_system_resource", "network_error", "malformed_function_call", "pause_turn"}
)


class TokenCounts(NamedTuple):
    """Tokens of one call as a server counts them, each None where it does not say."""

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
    usage: TokenCounts


def read_answer(data: Any, thinking: bool | None, tags: Sequence[Tags] = TAGS) -> Answer:
    """The answer of a chat or plain completion.

    Args:
        data: the decoded reply.
        thinking: whether the model was asked to think; then a text that ran out of tokens without any tag is thinking.
        tags: the markers around the model's thinking.

    Raises:
        Malformed: no choices, null content, or a generation that the server broke off.
    """
    choice = _first_choice(data)
    usage = read_usage(data)
    message = choice.get("message")
    message = message if isinstance(message, dict) else {"content": choice.get("text")}
    content, thought = _parts(message.get("content"))
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning")) or thought
    ended = str(choice.get("finish_reason")).rpartition(".")[2].lower()
    if ended in _FILTERED or message.get("refusal"):
        return Answer("", "refused", reasoning, usage)
    if ended in _BROKEN_OFF:
        raise Malformed("Aborted")
    out_of_tokens = ended in _LENGTH
    if content is None:
        if reasoning is None and not out_of_tokens:
            raise Malformed("NullContent", NULL_RETRIES)
        content = ""
    answer, inline, closed = split(content, opened=bool(thinking) and out_of_tokens and reasoning is None, tags=tags)
    reasoning = "\n".join(part for part in (reasoning, inline) if part) or None
    if not closed:
        return Answer("", "reasoning_length", reasoning, usage)
    if out_of_tokens and not content:
        # Tokens that are nowhere to be seen were thoughts; where there was not one, the prompt had filled the window.
        unasked = usage.completion_tokens == 0 and reasoning is None
        return Answer("", "overflow" if unasked else "reasoning_length", reasoning, usage)
    return Answer(answer, "length" if out_of_tokens else "stop", reasoning, usage)


def read_usage(data: Any) -> TokenCounts:
    """The token counts of a reply, wherever the server puts them."""
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return TokenCounts()
    prompt_details = usage.get("prompt_tokens_details")
    details = usage.get("completion_tokens_details")
    cached = _count(prompt_details.get("cached_tokens")) if isinstance(prompt_details, dict) else None
    return TokenCounts(
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None,
        cached if cached is not None else _count(usage.get("prompt_cache_hit_tokens")),
    )


def read_first_token(data: Any) -> dict[str, float] | None:
    """Log-probabilities of the likeliest first answer tokens by their text; None where the reply has none.

    Raises:
        Malformed: no choices, or a log-probability that is not a number, or more than probability 1 in all.
    """
    logprobs = _first_choice(data).get("logprobs")
    if not isinstance(logprobs, dict):
        return None
    if isinstance(content := logprobs.get("content"), list) and content and isinstance(content[0], dict):
        listed = content[0].get("top_logprobs") or [content[0]]
        listed = listed if isinstance(listed, list) else []
        pairs = [(entry.get("token"), entry.get("logprob")) for entry in listed if isinstance(entry, dict)]
    elif isinstance(top := logprobs.get("top_logprobs"), list) and top and isinstance(top[0], dict):
        pairs = list(top[0].items())
    else:
        return None
    found = {token: _log_probability(value) for token, value in pairs if isinstance(token, str)}
    if math.fsum(map(math.exp, found.values())) > 1 + _SLACK * max(1, len(found)):
        raise Malformed("BadLogProbs", NULL_RETRIES)
    return found or None


_SLACK = 0.01
"""A log-probability may be so much above 0, from half-precision arithmetic."""


def _log_probability(value: Any) -> float:
    """A log-probability; servers write -9999 or minus infinity for what cannot come."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= _SLACK:
        return min(0.0, float(max(value, -10_000)))
    raise Malformed("BadLogProbs", NULL_RETRIES)


class Masses(NamedTuple):
    """What the listed first tokens say of each choice."""

    values: list[float]
    """Probability of each choice; of one that is not listed, the most that it can have."""
    unlisted: int
    """Choices of which no spelling is listed."""


def choice_masses(logprobs: Mapping[str, float], choices: Sequence[Sequence[str]]) -> Masses:
    """Probability of each choice at the first token, summed over its spellings.

    A choice none of whose spellings is a token is recognised by beginnings that no other choice shares ("Pne" of "Pneumonia").
    A choice that is not listed has at most the probability of the last token that is, and at most what all of them leave over.
    """
    masses: list[float | None] = []
    for number, spellings in enumerate(choices):
        tokens = {token for token in logprobs if token in spellings}
        if not tokens:
            others = [spelling for other, group in enumerate(choices) if other != number for spelling in group]
            tokens = {
                token
                for token in logprobs
                if token.strip() and any(s.startswith(token) for s in spellings) and not any(s.startswith(token) for s in others)
            }
        masses.append(math.fsum(math.exp(logprobs[token]) for token in tokens) if tokens else None)
    unlisted = masses.count(None)
    left = max(0.0, 1 - math.fsum(map(math.exp, logprobs.values()))) / max(1, unlisted)
    bound = min(left, math.exp(min(logprobs.values(), default=0.0)))
    return Masses([bound if mass is None else mass for mass in masses], unlisted)


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
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None
