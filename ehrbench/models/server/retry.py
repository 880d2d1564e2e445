"""What to do about a status, a broken connection or an unusable body: one table, and the waiting time.

| what came | what is done |
|---|---|
| 200 with an answer | accept |
| 200 with an error in place of an answer | as the status that the error names, or that its type stands for |
| 200, not JSON, no choices, or cut off; connection reset, closed or refused; timeout | retry |
| 200 with null content and nothing else | retry, twice at most |
| a body larger than any answer | ``error``, never retried |
| 408, 409, 425, 429, 5xx | retry, after Retry-After where there is one |
| 429 of an account without quota | stop the run |
| 401; 404 or a redirect before any call has succeeded | stop the run: every item would fail the same way |
| 403 of a moderator | ``refused`` |
| 403 to the first three calls | stop the run |
| 4xx or 500 about the context length; any 413 | ``overflow`` |
| 400 of a content filter | ``refused`` |
| 400 or 422 about a field that we send to every item | stop the run and name the argument that mends it |
| any other status | ``error``, never retried; where the first calls all end so, the run stops |
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

from ehrbench.models.protocol import Finish
from ehrbench.models.server.complaint import REMEDIES, Complaint, read_complaint

MOST_SECONDS = 60.0
"""Longest wait that we choose ourselves; a server may ask for more."""
NULL_RETRIES = 2
_FORBIDDEN_ALIKE = 3
"""A 403 may mean the key, or the one prompt: so many first calls must have it before it is the key."""
_GONE = frozenset({503, 521, 522, 523, 529})
"""The server behind the address is loading, overloaded or away. A 502 or 504 may be one prompt's that takes too long."""


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
    """What the user should do."""
    field: str = ""
    """The field of the request that the server does not take."""
    alike: int | None = None
    """So many first calls that end alike stop the run; None: as many as the user's ``stop_after``."""
    silent: bool = False
    """Nothing came back that a working server would say."""
    gone: bool = False
    """Silent, and no single prompt can be the reason."""


def judge_status(status: int, headers: Mapping[str, str], raw: bytes, *, succeeded: bool) -> Verdict:
    """What a status other than 200 means.

    Args:
        status: of the reply.
        headers: of the reply, case-insensitive.
        raw: the body; read for its codes, never repeated.
        succeeded: whether any call to this server has succeeded.
    """
    return judge_complaint(status, headers, read_complaint(raw), succeeded=succeeded)


def judge_complaint(status: int, headers: Mapping[str, str], said: Complaint, *, succeeded: bool) -> Verdict:
    """What a status and an error body mean; see ``judge_status``."""
    error = f"HTTP {status}"
    if status == 401:
        return Verdict("stop", error, advice="the key was refused")
    if status == 403:
        if said.moderated or said.filtered:
            return Verdict("give_up", error, "refused")
        return Verdict("give_up", error, advice="the key was refused", alike=_FORBIDDEN_ALIKE)
    if status == 404 and not succeeded:
        return Verdict("stop", error, advice="no such model or path there; check the model's name and base_url")
    if 300 <= status < 400 and not succeeded:
        return Verdict(
            "stop", error, advice="it redirects, and text is not sent on to another address; give the final one as base_url"
        )
    if status == 429 and "insufficient_quota" in said.codes:
        return Verdict("stop", error, advice="the account has no quota left; the same command continues when it has")
    if said.filtered and status < 500:
        return Verdict("give_up", error, "refused")
    if status in (400, 413, 422, 429, 500) and said.overflows(status):
        return Verdict("give_up", error, "overflow")
    if status in (408, 409, 425, 429) or status >= 500:
        gone = status in _GONE
        return Verdict("retry", error, wait=retry_after(headers), congested=status in (429, 503), silent=status >= 500, gone=gone)
    if status in (400, 422) and said.field:
        remedy = REMEDIES[said.field]
        advice = f"it does not take '{said.field}'" + (f": --model-arg {remedy}" if remedy else "")
        # A server that has answered takes the fields that every call has; this one item is at fault, or quoted.
        return Verdict("give_up" if succeeded else "stop", error, advice="" if succeeded else advice, field=said.field)
    return Verdict("give_up", error)


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
