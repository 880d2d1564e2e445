"""What to do about a status, a broken connection or an unusable body: one table, and the waiting time.

| what came | what is done |
|---|---|
| 200 with an answer | accept |
| 200, not JSON, no choices, or cut off; connection reset, closed or refused; timeout | retry |
| 200 with null content and nothing else | retry, twice at most |
| 408, 409, 425, 429, 5xx | retry, after Retry-After where there is one |
| 429 of an account without quota | stop the run |
| 401; 403, 404 or a redirect before any call has succeeded | stop the run: every item would fail the same way |
| 400, 413, 422 about the context length | ``overflow`` |
| 400 of a content filter | ``refused`` |
| 400 about a field that we send to every item | stop the run and name the argument that mends it |
| any other status | ``error``, never retried |
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from ehrbench.models.protocol import Finish
from ehrbench.models.server.body import decode

MOST_SECONDS = 60.0
"""Longest wait that we choose ourselves; a server may ask for more."""
NULL_RETRIES = 2

_CONTEXT_LENGTH = re.compile(
    r"context[ _]length|context[ _]window|max(imum)?[ _]model[ _]len|maximum (input|prompt|sequence) length|prompt is too long|"
    r"input is too long|too many (input |prompt )?tokens|exceeds? the (model|max)|longer than the (model|maximum)|"
    r"inputs?\W+tokens? \+ \W*max_new_tokens|reduce the length",
    re.IGNORECASE,
)
_FILTER_CODES = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}
_FIELDS = {
    "temperature": "omit=temperature",
    "top_p": "omit=top_p",
    "seed": "omit=seed",
    "stop": "omit=stop",
    "max_tokens": "token_field=max_completion_tokens",
    "max_completion_tokens": "token_field=max_tokens",
    "chat_template_kwargs": "omit=chat_template_kwargs",
    "reasoning_effort": "omit=reasoning_effort",
    "logprobs": "",
    "top_logprobs": "top_logprobs=5",
}


class Verdict(NamedTuple):
    """What a failed attempt means."""

    action: Literal["retry", "give_up", "stop"]
    error: str
    """Class of the failure; never a part of the body."""
    finish: Finish = "error"
    wait: float | None = None
    """Seconds that the server asked for."""
    congested: bool = False
    """Whether fewer calls at once would help."""
    most_retries: int | None = None
    advice: str = ""
    """For ``stop``: what the user should do."""


def judge_status(status: int, headers: Mapping[str, str], raw: bytes, *, succeeded: bool) -> Verdict:
    """What a status other than 200 means.

    Args:
        status: of the reply.
        headers: of the reply, case-insensitive.
        raw: the body; read for its codes, never repeated.
        succeeded: whether any call to this server has succeeded.
    """
    error = f"HTTP {status}"
    code, field, message = _read_error(raw)
    if status == 401 or (status == 403 and not succeeded):
        return Verdict("stop", error, advice="the key was refused")
    if status == 429 and code == "insufficient_quota":
        return Verdict("stop", error, advice="the account has no quota left; the same command goes on when it has")
    if status in (408, 409, 425, 429) or status >= 500:
        return Verdict("retry", error, wait=retry_after(headers), congested=status in (429, 503))
    if status in (400, 413, 422):
        if code in _FILTER_CODES:
            return Verdict("give_up", error, "refused")
        if status == 413 or code == "context_length_exceeded" or _CONTEXT_LENGTH.search(message):
            return Verdict("give_up", error, "overflow")
        if field in _FIELDS and (code in ("unsupported_parameter", "unsupported_value") or field in ("logprobs", "top_logprobs")):
            mend = f": --model-arg {_FIELDS[field]}" if _FIELDS[field] else ""
            return Verdict("stop", error, advice=f"it does not take '{field}'{mend}")
    if status == 404 and not succeeded:
        return Verdict("stop", error, advice="no such model or path there; check the model's name and base_url")
    if 300 <= status < 400 and not succeeded:
        return Verdict(
            "stop", error, advice="it redirects, and text is not sent on to another address; give the final one as base_url"
        )
    return Verdict("give_up", error)


def _read_error(raw: bytes) -> tuple[str, str, str]:
    """Code, field and message of an error body, as far as it has them."""
    try:
        data = decode(raw)
    except ValueError:
        return "", "", ""
    error: Any = data.get("error", data) if isinstance(data, dict) else {}
    if not isinstance(error, dict):
        return "", "", error[:300] if isinstance(error, str) else ""
    inner = error.get("innererror")
    code = str(error.get("code") or error.get("type") or "").lower()
    if isinstance(inner, dict) and str(inner.get("code", "")).lower() in _FILTER_CODES:
        code = "content_filter"
    # Servers quote the prompt behind their own words, so only the beginning says what is wrong.
    return code, str(error.get("param") or ""), str(error.get("message") or "")[:300]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: ``retry-after-ms``, or ``Retry-After`` as seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("Retry-After")
    if text is None or (seconds := _number(text)) is not None:
        return seconds if text is not None else None
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=timezone.utc)) - datetime.now(timezone.utc)).total_seconds())


def wait_seconds(attempt: int, asked: float | None, first: float) -> float:
    """How long to wait before the next attempt.

    Args:
        attempt: how many attempts there were, from 1.
        asked: seconds that the server asked for: never less than that, and a little more, so that not all come back at once.
        first: longest wait after the first attempt; it doubles with each attempt, up to a minute, and half of it is random.
    """
    if asked is not None:
        return asked + random.uniform(0, min(0.25, 0.1 * asked))
    most = min(MOST_SECONDS, first * 2.0 ** (attempt - 1))
    return random.uniform(most / 2, most)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
