"""The attempts of one call to one server. Text goes to this address and to no other."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.protocol import Finish
from ehrbench.models.server.body import decode
from ehrbench.models.server.breaker import Breaker
from ehrbench.models.server.complaint import complaint_of, status_in
from ehrbench.models.server.endpoint import Endpoint
from ehrbench.models.server.limiter import Limiter, limiter_for
from ehrbench.models.server.line import MOST_BYTES, AiohttpLine, Line, Reply, TooLarge
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import Verdict, judge_complaint, judge_status, wait_seconds
from ehrbench.models.server.tokens import NoTokenError, Tokens

T = TypeVar("T")
_MOST_TOKENS = 20
"""Tokens that one attempt may see refused: with many calls in flight, others use up each new one first."""

_AT_ONCE = nullcontext(0.0)
_log = logging.getLogger(__name__)


class Patience(NamedTuple):
    """How long and how often a call is tried."""

    concurrency: int = 32
    """Calls in flight at most."""
    max_retries: int = 8
    retry_seconds: float = 600.0
    """No attempt begins later than this after the first."""
    timeout: float = 900.0
    """Seconds of one attempt."""
    first_wait: float = 0.5
    """Longest wait after the first attempt; it doubles from there."""
    stop_after: int = 10
    """So many first calls that all fail in the same way stop the run; 0: none do."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How one call ended."""

    value: T | None
    """What ``parse`` made of the reply; None for a failure."""
    finish: Finish
    error: str | None
    seconds: float
    """Of the last attempt."""
    attempts: int


class Transport:
    """Posts bodies and tries again; its coroutines run in the background loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        patience: Patience,
        tokens: Tokens | None = None,
        make_line: Callable[[Endpoint, float], Line] = AiohttpLine,
    ) -> None:
        """Remember where and how; nothing is opened.

        Args:
            endpoint: where the server is.
            patience: how long and how often a call is tried.
            tokens: what is shown to the server in place of a key.
            make_line: opens the connections, from the endpoint and the seconds of one attempt.
        """
        self.endpoint = endpoint
        self.patience = patience
        self.succeeded = False
        """Whether any call has."""
        self._line: Line | None = None
        self._make_line = make_line
        self._tokens = tokens
        self._taken = False
        """Whether the server has taken any token."""
        self._limiter: Limiter | None = None
        self._breaker = Breaker(lambda line: _log.warning("%s: %s", endpoint.base_url, line))
        self._first_failures: Counter[str] = Counter()

    async def post(self, body: bytes, parse: Callable[[Any], T], name: str = "") -> Outcome[T]:
        """Send a body until there is a usable reply or no hope of one.

        An attempt that a server's absence explains is not counted while nobody else is answered either.

        Args:
            body: JSON; every attempt sends the same bytes.
            parse: reads the decoded reply; ``Malformed`` asks for another attempt.
            name: of the call, for the log.

        Raises:
            UsageError: what failed would fail for every item (a refused key, no quota, an unknown model), or the first calls have
                all failed in one way.
            MissingError: nothing listens at the address, or nothing has come back for as long as a call is tried.
        """
        breaker, call = self._breaker, object()
        end = time.monotonic() + self.patience.retry_seconds
        attempt = counted = 0
        while True:
            async with breaker.turn() if breaker.open else _AT_ONCE as waited:
                end += waited
                attempt += 1
                started = time.monotonic()
                got = await self._limited(body, parse)
                seconds = time.monotonic() - started
                if not isinstance(got, Verdict):
                    self.succeeded = True
                    breaker.alive()
                    return Outcome(got, "stop", None, seconds, attempt)
                if got.action == "stop":
                    raise (NoProbabilitiesError if got.field == "logprobs" else UsageError)(self.explain(got))
                most = self.patience.max_retries if got.most_retries is None else min(got.most_retries, self.patience.max_retries)
                absent = got.gone and (self.succeeded or got.error.startswith("HTTP")) and breaker.last_life < started
                counted += not absent
                tries = breaker.tries + 1 if breaker.open and got.silent else attempt
                wait = wait_seconds(tries, got.wait, self.patience.first_wait)
                if got.silent:
                    breaker.silent(call, got.error, started, wait, f"attempt {attempt} of {most + 1}")
                else:
                    breaker.alive()
                self._check_absence(got, wait)
                if got.action == "give_up" or counted > most or (not absent and time.monotonic() + wait > end):
                    return self._given_up(got, seconds, attempt)
                _log.debug("%s: %s, attempt %d, next in %.1f s", name, got.error, attempt, wait)
            if not breaker.open:
                await asyncio.sleep(wait)

    def _check_absence(self, got: Verdict, wait: float) -> None:
        """End the run where nobody has answered any call for as long as one call is tried."""
        breaker, patience = self._breaker, self.patience
        several = 0 < patience.stop_after <= len(breaker.failed)
        if got.silent and (got.gone or several) and breaker.seconds_silent + wait > patience.retry_seconds:
            raise MissingError(
                f"nothing has come back from {self.endpoint.base_url} for {breaker.seconds_silent:.0f} s ({got.error}); what is "
                "finished is kept, and the same command continues when the server answers (retry_seconds says how long to wait)"
            )

    def _given_up(self, got: Verdict, seconds: float, attempt: int) -> Outcome[T]:
        """The outcome of a call that has no answer, or the end of the run where its first calls all end alike."""
        if got.error in ("ConnectionRefused", "NameNotFound") and not self.succeeded:
            raise MissingError(self.nobody())
        if got.finish == "error" and not self.succeeded:
            self._first_failures[got.error] += 1
            most = self.patience.stop_after if got.alike is None else got.alike
            if self.patience.stop_after and self._first_failures == {got.error: most}:
                raise UsageError(self.explain(got, most))
        elif got.finish != "error":
            self.succeeded = True  # the key and the address are right
        return Outcome(None, got.finish, got.error, seconds, attempt)

    async def _limited(self, body: bytes, parse: Callable[[Any], T]) -> T | Verdict:
        """One attempt, when there is a place for it."""
        limiter = self._limiter or limiter_for(self.endpoint.base_url, self.patience.concurrency)
        self._limiter = limiter
        epoch = await limiter.acquire()
        got: T | Verdict = Verdict("give_up", "Cancelled")
        try:
            got = await self._attempt(body, parse)
        finally:
            failed = isinstance(got, Verdict)
            limiter.release(epoch, succeeded=not failed, congested=isinstance(got, Verdict) and got.congested)
        return got

    async def get(self, url: str) -> Any:
        """The JSON at an address; None where the server has no such page.

        Raises:
            UsageError: the key was refused.
            MissingError: nothing listens at the address.
        """
        for wait in (0.2, 1.0, None):
            try:
                reply = await self.with_token(lambda headers: self._open().get(url, headers))
                if isinstance(reply, Verdict):
                    raise UsageError(self.explain(reply))
                if reply.status == 200:
                    return decode(reply.raw)
                if reply.status == 401:
                    raise UsageError(self.explain(Verdict("stop", "HTTP 401", advice="the key was refused")))
                if reply.status < 500 and reply.status != 429:
                    return None
            except (ValueError, Malformed, TooLarge):
                return None
            except self._open().failures as error:
                verdict = self._open().judge(error)
                if verdict.action == "stop":
                    raise UsageError(self.explain(verdict)) from None
                if wait is None and verdict.error in ("ConnectionRefused", "NameNotFound"):
                    raise MissingError(self.nobody()) from None
            if wait is not None:
                await asyncio.sleep(wait)
        return None

    async def close(self) -> None:
        """Close the connections; the next call would open new ones."""
        if self._line is not None:
            line, self._line = self._line, None
            await line.close()

    async def _attempt(self, body: bytes, parse: Callable[[Any], T]) -> T | Verdict:
        line = self._open()
        try:
            if self._tokens is None:
                reply = await line.post(body)
            else:
                got = await self.with_token(lambda headers: line.post(body, headers))
                if isinstance(got, Verdict):
                    return got
                reply = got
            if reply.status != 200:
                return judge_status(reply.status, reply.headers, reply.raw, succeeded=self.succeeded)
            try:
                decoded = decode(reply.raw)
            except ValueError:
                return Verdict("retry", "EventStream" if reply.raw.lstrip()[:5] == b"data:" else "NotJSON")
            hidden = status_in(decoded)
            if hidden is not None:
                return judge_complaint(hidden, reply.headers, complaint_of(decoded), succeeded=self.succeeded)
            return parse(decoded)
        except TooLarge:
            return Verdict("give_up", f"TooLarge (more than {MOST_BYTES >> 20} MiB)")
        except Malformed as error:
            return Verdict("retry", error.kind, most_retries=error.most_retries)
        except line.failures as error:
            return line.judge(error)

    async def with_token(self, send: Callable[[Mapping[str, str] | None], Awaitable[Reply]]) -> Reply | Verdict:
        """What comes back with a token that is valid: one that the server no longer takes is replaced, whatever its time."""
        if self._tokens is None:
            return await send(None)
        for refused in range(1, _MOST_TOKENS + 1):
            try:
                token = await self._tokens.token()
            except NoTokenError as error:
                if error.lasting and not self._taken:
                    return Verdict("stop", "no token", advice=str(error))
                return Verdict("retry", "NoToken", silent=True)
            reply = await send(self._tokens.headers(token))
            if reply.status != 401:
                self._taken = True
                return reply
            self._tokens.refused(token)
            if refused == 2 and not self._taken:
                break
        return reply

    def _open(self) -> Line:
        if self._line is None:
            self._line = self._make_line(self.endpoint, self.patience.timeout)
            # A model that is dropped without close() closes its connections all the same.
            weakref.finalize(self, _close_later, self._line, asyncio.get_running_loop())
        return self._line

    def nobody(self) -> str:
        """That nothing listens at the address, and what may be the reason."""
        if self.endpoint.proxy:
            return f"no server answers at {self.endpoint.base_url} through {self.endpoint.proxy}: check base_url and proxy"
        said = f"no server answers at {self.endpoint.base_url}: start it, or check base_url"
        proxy = next((name for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if name in map(str.upper, os.environ)), None)
        if proxy is None or not self.endpoint.is_remote:
            return said
        return f"{said}; the proxy that {proxy} names is not used unless --model-arg proxy=URL names it too"

    def explain(self, verdict: Verdict, calls: int = 1) -> str:
        """Why the run stops, and what to do."""
        what = f"{self.endpoint.base_url} answered {verdict.error}"
        if calls > 1:
            what += f" to the first {calls} calls"
        what += f": {verdict.advice or 'every item would end so'}"
        if verdict.error in ("HTTP 401", "HTTP 403") and self._tokens is not None:
            what += "; check whom the token is for, and what that account may do"
        elif verdict.error in ("HTTP 401", "HTTP 403"):
            what += f"; check the environment variable {self.endpoint.key_env}"
        elif calls > 1:
            what += "; --model-arg stop_after=0 continues all the same"
        return what


def _close_later(line: Line, loop: asyncio.AbstractEventLoop) -> None:
    if line.is_open and loop.is_running():
        asyncio.run_coroutine_threadsafe(line.close(), loop)
