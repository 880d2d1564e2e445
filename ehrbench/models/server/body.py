"""The JSON that is sent: made once a call, whatever the number of attempts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ehrbench.jsonl import parse
from ehrbench.models.protocol import ChoiceRequest, Message, Request
from ehrbench.models.server.responses import LEAST_TOKENS
from ehrbench.models.thinking import TAGS, Tags

TokenField = Literal["max_tokens", "max_completion_tokens", "max_output_tokens"]
Api = Literal["chat", "completions", "responses"]


@dataclass(frozen=True)
class Dialect:
    """How a server wants to be asked."""

    model: str
    api: Api = "chat"
    token_field: TokenField = "max_tokens"  # noqa: S105
    thinking: bool | None = None
    """True: the reasoning allowance is added. None: whatever the server does by default, without an allowance."""
    template_switch: bool = False
    """Whether ``thinking`` is also told to the server's chat template (vLLM, SGLang)."""
    reasoning_effort: str | None = None
    top_logprobs: int = 20
    omit: frozenset[str] = frozenset()
    """Fields that the server does not take."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields, as they are."""
    tags: Sequence[Tags] = TAGS
    """The markers around the model's thinking, where it stands in the answer."""

    @property
    def allowance(self) -> bool:
        """Whether calls have room for thinking beside the answer."""
        return bool(self.thinking) or (self.thinking is None and self.reasoning_effort is not None)


def generation_body(dialect: Dialect, request: Request) -> bytes:
    """The body of one generation call; greedy and default values that every server shares are not spelled out."""
    data = _start(dialect, request.messages)
    most = request.max_tokens + (request.max_reasoning_tokens if dialect.allowance else 0)
    data[dialect.token_field] = max(most, LEAST_TOKENS) if dialect.api == "responses" else most
    data["temperature"] = request.temperature
    if request.top_p != 1.0:
        data["top_p"] = request.top_p
    if request.stop:
        data["stop"] = list(request.stop)
    if request.seed is not None and dialect.api != "responses":  # which has none, and refuses what it does not know
        data["seed"] = request.seed
    return _finish(dialect, data)


def with_one_token(dialect: Dialect, body: bytes) -> bytes:
    """The same call for as few tokens as the server takes."""
    return encode({**decode(body), dialect.token_field: LEAST_TOKENS if dialect.api == "responses" else 1})


def choice_body(dialect: Dialect, request: ChoiceRequest) -> bytes:
    """The body of a call for the log-probabilities of the first answer token."""
    data = _start(dialect, request.messages)
    data[dialect.token_field] = 1
    data["temperature"] = 0.0
    if dialect.api == "chat":
        data["logprobs"] = True
        data["top_logprobs"] = dialect.top_logprobs
    else:
        data["logprobs"] = dialect.top_logprobs
    return _finish(dialect, data)


def _start(dialect: Dialect, messages: tuple[Message, ...]) -> dict[str, Any]:
    if dialect.api == "completions":
        return {"model": dialect.model, "prompt": "\n".join(message.content for message in messages)}
    if dialect.api == "responses":
        asked = [{"role": m.role, "content": m.content} for m in messages]
        # Told nothing, the server keeps the text for thirty days.
        thinking = {} if dialect.reasoning_effort is None else {"reasoning": {"effort": dialect.reasoning_effort}}
        return {"model": dialect.model, "input": asked, "store": False, **thinking}
    data: dict[str, Any] = {"model": dialect.model, "messages": [{"role": m.role, "content": m.content} for m in messages]}
    if dialect.template_switch and dialect.thinking is not None:
        data["chat_template_kwargs"] = {"enable_thinking": dialect.thinking}
    if dialect.reasoning_effort is not None:
        data["reasoning_effort"] = dialect.reasoning_effort
    return data


def _finish(dialect: Dialect, data: dict[str, Any]) -> bytes:
    for name, value in dialect.extra.items():
        # chat_template_kwargs of the user's join ours; anything else of the user's wins.
        data[name] = {**data[name], **value} if isinstance(value, Mapping) and isinstance(data.get(name), dict) else value
    data["stream"] = False  # some gateways stream unless they are told
    for name in dialect.omit:
        data.pop(name, None)
    return encode(data)


def encode(data: Any) -> bytes:
    """JSON as UTF-8; half surrogate pairs, which UTF-8 cannot hold, are escaped."""
    try:
        return _fast(data)
    except (UnicodeEncodeError, TypeError):  # orjson reports a surrogate as a TypeError
        return json.dumps(data).encode()


def decode(raw: bytes) -> Any:
    """JSON as plain data; ValueError where it is none."""
    try:
        return _loads(raw)
    except ValueError:
        return parse(raw)  # takes NaN, infinities and half surrogate pairs, which orjson does not


def _stdlib_fast(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


try:
    import orjson
except ImportError:
    _fast = _stdlib_fast
    _loads = parse
else:
    _fast = orjson.dumps
    _loads = orjson.loads
