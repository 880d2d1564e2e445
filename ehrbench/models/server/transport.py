"""One pooled HTTP session to one server, and the attempts of one call. Text goes to this address and to no other."""

from __future__ import annotations

import asyncio
import io
import socket
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.protocol import Finish
from ehrbench.models.server.body import decode
from ehrbench.models.server.endpoint import Endpoint
from ehrbench.models.server.limiter import Limiter, limiter_for
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import Verdict, judge_status, wait_seconds

T = TypeVar("T")
_LARGE_BODY = 1 << 20
_CONNECT_SECONDS = 30.0


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

    def __init__(self, endpoint: Endpoint, patience: Patience) -> None:
        """Remember where and how; nothing is opened."""
        self.endpoint = endpoint
        self.patience = patience
        self.succeeded = False
        """Whether any call has."""
        self._session: aiohttp.ClientSession | None = None
        self._limiter: Limiter | None = None

    async def post(self, body: bytes, parse: Callable[[Any], T]) -> Outcome[T]:
        """Send a body until there is a usable reply or no hope of one.

        Args:
            body: JSON; every attempt sends the same bytes.
            parse: reads the decoded reply; ``Malformed`` asks for another attempt.

        Raises:
            UsageError: what failed would fail for every item (a refused key, no quota, an unknown model).
            MissingError: nothing listens at the address.
        """
        limiter = self._limiter or limiter_for(self.endpoint.base_url, self.patience.concurrency)
        self._limiter = limiter
        last_start = time.monotonic() + self.patience.retry_seconds
        attempt = 0
        while True:
            attempt += 1
            epoch = await limiter.acquire()
            started = time.perf_counter()
            got: T | Verdict = Verdict("give_up", "Cancelled")
            try:
                got = await self._attempt(body, parse)
            finally:
                failed = isinstance(got, Verdict)
                limiter.release(epoch, succeeded=not failed, congested=isinstance(got, Verdict) and got.congested)
            seconds = time.perf_counter() - started
            if not isinstance(got, Verdict):
                self.succeeded = True
                return Outcome(got, "stop", None, seconds, attempt)
            if got.action == "stop":
                raise UsageError(self._explain(got))
            retries = self.patience.max_retries if got.most_retries is None else min(got.most_retries, self.patience.max_retries)
            wait = wait_seconds(attempt, got.wait, self.patience.first_wait)
            if got.action == "give_up" or attempt > retries or time.monotonic() + wait > last_start:
                if got.error == "ConnectionRefused" and not self.succeeded:
                    raise MissingError(f"no server answers at {self.endpoint.base_url}: start it, or check base_url")
                return Outcome(None, got.finish, got.error, seconds, attempt)
            await asyncio.sleep(wait)

    async def get(self, url: str) -> Any:
        """The JSON at an address; None where the server has no such page.

        Raises:
            UsageError: the key was refused.
            MissingError: nothing listens at the address.
        """
        for wait in (0.2, 1.0, None):
            try:
                async with self._open().get(url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=30)) as reply:
                    raw = await reply.read()
                    if reply.status == 200:
                        return decode(raw)
                    if reply.status == 401:
                        raise UsageError(self._explain(Verdict("stop", "HTTP 401", advice="the key was refused")))
                    if reply.status < 500 and reply.status != 429:
                        return None
            except ValueError:
                return None
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                verdict = judge_exception(error)
                if verdict.action == "stop":
                    raise UsageError(self._explain(verdict)) from None
                if wait is None and verdict.error in ("ConnectionRefused", "NameNotFound"):
                    raise MissingError(f"no server answers at {self.endpoint.base_url}: start it, or check base_url") from None
            if wait is not None:
                await asyncio.sleep(wait)
        return None

    async def close(self) -> None:
        """Close the connections; the next call would open new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _attempt(self, body: bytes, parse: Callable[[Any], T]) -> T | Verdict:
        data = body if len(body) < _LARGE_BODY else io.BytesIO(body)  # aiohttp warns about larger ones given as bytes
        try:
            async with self._open().post(self.endpoint.call_url, data=data, allow_redirects=False) as reply:
                raw = await reply.read()
            if reply.status != 200:
                return judge_status(reply.status, reply.headers, raw, succeeded=self.succeeded)
            try:
                decoded = decode(raw)
            except ValueError:
                return Verdict("retry", "NotJSON")
            return parse(decoded)
        except Malformed as error:
            return Verdict("retry", error.kind, most_retries=error.most_retries)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            return judge_exception(error)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = None if self.endpoint.is_remote else _Loopback()
            self._session = aiohttp.ClientSession(
                # The limiter bounds the connections. Proxies and .netrc of the environment are left alone (trust_env).
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self.endpoint.headers(),
                timeout=aiohttp.ClientTimeout(total=self.patience.timeout, sock_connect=_CONNECT_SECONDS),
                trust_env=False,
            )
            # A model that is dropped without close() closes its connections all the same.
            weakref.finalize(self, _close_later, self._session, asyncio.get_running_loop())
        return self._session

    def _explain(self, verdict: Verdict) -> str:
        what = f"{self.endpoint.base_url} answered {verdict.error}: {verdict.advice}"
        if verdict.error in ("HTTP 401", "HTTP 403"):
            what += f"; check the environment variable {self.endpoint.key_env}"
        return what


def _close_later(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    if not session.closed and loop.is_running():
        asyncio.run_coroutine_threadsafe(session.close(), loop)


def judge_exception(error: BaseException) -> Verdict:
    """What a failed connection or a cut-off reply means; the error's own text is never repeated."""
    if isinstance(error, asyncio.TimeoutError):
        return Verdict("retry", "Timeout", congested=True)
    if isinstance(error, aiohttp.ClientSSLError):
        advice = "its certificate is not trusted here; set SSL_CERT_FILE to the authority's file"
        return Verdict("stop", "an untrusted certificate", advice=advice)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Verdict("retry", "TruncatedBody")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Verdict("retry", "NameNotFound")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Verdict("retry", "ConnectionRefused")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Verdict("retry", "ConnectionClosed")
    if isinstance(error, OSError):
        return Verdict("retry", "ConnectionReset")
    return Verdict("retry", type(error).__name__)


class _Loopback(AbstractResolver):
    """Answers ``localhost`` by itself, so that no name server or hosts file can send local text elsewhere."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
        ]

    async def close(self) -> None:
        pass
