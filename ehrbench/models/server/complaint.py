"""What a server complains of: codes, field and the beginning of the message, in whatever shape it puts them.

Nothing of a message is repeated: servers quote the prompt in it. Only its first 300 characters are matched against wordings,
since what a server quotes comes behind its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ehrbench.models.server.body import decode

_HEAD = 300

REMEDIES: Mapping[str, str] = {
    "temperature": "omit=temperature",
    "top_p": "omit=top_p",
    "seed": "omit=seed",
    "stop": "omit=stop",
    "stream": "omit=stream",
    "max_tokens": "token_field=max_completion_tokens",
    "max_completion_tokens": "token_field=max_tokens",
    "chat_template_kwargs": "omit=chat_template_kwargs",
    "reasoning_effort": "omit=reasoning_effort",
    "response_format": "omit=response_format (or `ehrbench judge` without --structured)",
    "logprobs": "",
    "top_logprobs": "top_logprobs=5",
}
"""Fields that a server may refuse, with the argument that mends it; empty where none does."""

_OVERFLOW_CODES = (
    "context_length_exceeded",  # OpenAI, llama-cpp-python
    "exceed_context_size",  # llama.cpp
    "contextwindowexceeded",  # LiteLLM
    "request_too_large",  # Anthropic
    "tokens_limit_reached",  # GitHub Models
    "string_above_max_length",  # OpenAI
)
_OVERFLOW = (
    r"context[ _]?(length|window|size)|max(imum)?[ _]model[ _]len|maximum (input|prompt|sequence) length|"
    r"(prompt|input)( length)?( \([^)]{0,40}\))? is too (long|large)|too (long|large) for (the |requested |this )*model|"
    r"too many (input |prompt )?tokens|exceeds? the (model|max|available)|longer than the (model|max)|"
    r"inputs?\W+tokens? \+ \W*max_new_tokens|must have less than \d+ tokens|tokens in the prompt cannot exceed|"
    r"when context the overflows|reduce the length|request (body )?too large|exceeds the maximum (size|number of tokens)"
)
_TOO_LARGE = r"request (body )?too large"
_FILTER_CODES = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "content_filtered"}
_FLAGGED = r"\bflagged\b|\bmoderation\b|content policy|usage polic"
_REFUSES = (
    r"unsupported|unknown|unrecogni[sz]ed|unexpected|extra|invalid|not[ _](?:support|permit|allow|implement)\w*|only the default"
)
_FIELD = "|".join(sorted(REMEDIES, key=len, reverse=True))
_FIELD_REFUSED = (
    rf"(?:{_REFUSES})[^.\n]{{0,60}}?[\"'`: ]({_FIELD})\b(?![\"'`]?\s*[=(])|[\"'`]({_FIELD})[\"'`][^.\n]{{0,60}}?(?:{_REFUSES})"
)
_STATUS_OF_CODE = {
    "rate_limit": 429,
    "quota": 429,
    "overloaded": 529,
    "unavailable": 503,
    "timeout": 504,
    "authentication": 401,
    "api_key": 401,
    "permission": 403,
    "not_found": 404,
    "invalid": 400,
    "bad_request": 400,
    "badrequest": 400,
    "context": 400,
    "too_large": 413,
}
"""For errors in a reply of 200: what its status would have been, by a part of its code or type."""


class Complaint(NamedTuple):
    """An error body, read."""

    codes: frozenset[str] = frozenset()
    """Every code and type, in lower case."""
    field: str = ""
    """The field of the request that is refused, where the server points to one of ``REMEDIES``."""
    pointed: bool = False
    """The field was named in a place of its own, not found in the message's words."""
    head: str = ""
    """The beginning of the message."""
    status: int | None = None
    """A status that the body gives."""
    flagged: bool = False
    """A moderator says which part of the input it objects to."""

    @property
    def filtered(self) -> bool:
        """A content filter refused the prompt."""
        return self.flagged or bool(self.codes & _FILTER_CODES)

    def overflows(self, status: int) -> bool:
        """The prompt is too long. A 429 may be about tokens per minute, which passes, or about those of this one call."""
        if status == 413 or any(code in known for known in self.codes for code in _OVERFLOW_CODES):
            return True
        return _says(_TOO_LARGE if status == 429 else _OVERFLOW, self.head) is not None

    @property
    def moderated(self) -> bool:
        """The words of a moderator; worth trusting only beside a 403."""
        return self.flagged or _says(_FLAGGED, self.head) is not None


def _says(pattern: str, head: str) -> re.Match[str] | None:
    """Where a message says it. Patterns are compiled when a server complains, not at each start: it takes 10 ms."""
    return re.search(pattern, head, re.IGNORECASE)


def read_complaint(raw: bytes) -> Complaint:
    """Read the body of an error."""
    try:
        data = decode(raw)
    except ValueError:
        return Complaint(head=raw[:_HEAD].decode("utf-8", "replace"))
    return complaint_of(data)


def complaint_of(data: Any) -> Complaint:
    """Read an error body that is plain data: an object, a list of one, or one within ``error``, ``detail`` or ``message``."""
    layers = list(_layers(data))
    objects = [layer for layer in layers if isinstance(layer, dict)]
    head = next((layer for layer in layers if isinstance(layer, str)), "")[:_HEAD]
    codes = {str(layer[key]).lower() for layer in objects for key in ("code", "type", "error_type", "status") if layer.get(key)}
    statuses = [_status(layer.get(key)) for layer in objects for key in ("code", "status", "status_code")]
    pointed = next(filter(None, map(_pointed, objects)), "")
    found = None if pointed else _says(_FIELD_REFUSED, head)
    worded = (found[1] or found[2]).lower() if found else ""
    flagged = any(isinstance(layer.get("metadata"), dict) and layer["metadata"].get("reasons") for layer in objects)
    return Complaint(frozenset(codes), pointed or worded, bool(pointed), head, next(filter(None, statuses), None), flagged)


def status_in(data: Any) -> int | None:
    """The status that a reply of 200 should have had, because it holds an error in place of an answer; None where it does not."""
    if not isinstance(data, dict):
        return None
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    if not (data.get("error") and not first) and not first.get("error"):
        return None
    complaint = complaint_of(first if first.get("error") else data)
    if complaint.status is not None:
        return complaint.status
    return next((status for part, status in _STATUS_OF_CODE.items() if any(part in code for code in complaint.codes)), 500)


def _layers(data: Any, depth: int = 0) -> Iterator[Any]:
    """The objects of an error body and its texts, from the outside in."""
    if depth > 4:
        return
    if isinstance(data, list):
        for one in data[:3]:
            yield from _layers(one, depth + 1)
    elif isinstance(data, dict):
        yield data
        for key in ("error", "innererror", "errors", "detail", "message", "msg"):
            if data.get(key):
                yield from _layers(data[key], depth + 1)
    elif isinstance(data, str):
        yield data


def _pointed(layer: Mapping[str, Any]) -> str:
    """The field that an object names under ``param`` or in ``loc``."""
    places = [layer.get("param"), *(layer["loc"] if isinstance(layer.get("loc"), list) else ())]
    return next((place for place in places if isinstance(place, str) and place in REMEDIES), "")


def _status(value: Any) -> int | None:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"[45]\d\d", text) else None
