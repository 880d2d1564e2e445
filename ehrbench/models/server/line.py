"""One pooled HTTP session to one server: a body goes out, a status and a body come back."""

from __future__ import annotations

import asyncio
import io
import socket
import zlib
from collections.abc import AsyncIterable, Mapping
from typing import NamedTuple, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ehrbench.models.server.endpoint import Endpoint
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import Verdict

_LARGE_BODY = 1 << 20
CONNECT_SECONDS = 30.0
MOST_BYTES = 16 << 20
"""Of a reply, unpacked: some hundred times the longest answer with the log-probabilities of 20,000 tokens."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    """Unpacked, ``MOST_BYTES`` at most."""


class Line(Protocol):
    """What carries calls to a server and brings back the replies; ``Transport`` judges those and tries again."""

    failures: tuple[type[BaseException], ...]
    """What its methods raise where there is no reply."""

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a call; ``headers`` come beside those of every call.

        Raises:
            TooLarge: the reply is larger than any answer.
            Malformed: it is packed in a way that was not asked for, or damaged.
        """

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Fetch a page; raises as ``post``."""

    async def close(self) -> None:
        """Close the connections."""

    def judge(self, error: BaseException) -> Verdict:
        """What one of ``failures`` means; the error's own text is never repeated."""


class AiohttpLine:
    """The line that is used where nothing else is asked for: the cheapest per call."""

    failures: tuple[type[BaseException], ...] = (aiohttp.ClientError, asyncio.TimeoutError, OSError)

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        """Make the session, in the loop that will use it; a connection is opened by the first call.

        Args:
            endpoint: where the server is.
            timeout: seconds of one attempt.
        """
        self._call_url = endpoint.call_url
        self._session = open_session(
            endpoint, endpoint.headers(), aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        )

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return not self._session.closed

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a call."""
        data = body if len(body) < _LARGE_BODY else io.BytesIO(body)  # aiohttp warns about larger ones given as bytes
        async with self._session.post(self._call_url, data=data, headers=headers, allow_redirects=False) as reply:
            return Reply(reply.status, reply.headers, await read_body(reply))

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Fetch a page."""
        patience = aiohttp.ClientTimeout(total=30)
        async with self._session.get(url, headers=headers, allow_redirects=False, timeout=patience) as reply:
            return Reply(reply.status, reply.headers, await read_body(reply))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def judge(self, error: BaseException) -> Verdict:
        """What a failed connection or a cut-off reply means."""
        return judge_exception(error)


def open_session(endpoint: Endpoint, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    """The connections to a server and to nothing else, in the loop that will use them.

    Args:
        endpoint: where the server is.
        headers: of every request.
        timeout: of one attempt.
    """
    return aiohttp.ClientSession(
        # The limiter bounds the connections. Proxies and .netrc of the environment are left alone (trust_env); a proxy that was
        # named is sent CONNECT, and TLS goes through it to the server.
        connector=aiohttp.TCPConnector(
            limit=0,
            resolver=None if endpoint.is_remote else _Loopback(),
            keepalive_timeout=60,
            ssl=endpoint.tls() or True,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Unpacking is ours, so that a small body cannot become a large one; nothing is gained by it on answers.
        headers={**headers, "Accept-Encoding": "identity"},
        auto_decompress=False,
        timeout=timeout,
        trust_env=False,
        proxy=endpoint.proxy,
    )


async def read_body(reply: aiohttp.ClientResponse) -> bytes:
    """A reply's body, unpacked; raises as ``unpacked``."""
    coding = reply.headers.get("Content-Encoding", "identity")
    if coding == "identity" and reply.content_length is not None and reply.content_length <= MOST_BYTES:
        return await reply.read()
    try:
        return await unpacked(coding, reply.content.iter_any())
    except TooLarge:
        reply.close()
        raise


class TooLarge(Exception):
    """A reply larger than any answer."""


async def unpacked(coding: str, chunks: AsyncIterable[bytes]) -> bytes:
    """A reply's body, unpacked, of which no more than ``MOST_BYTES`` are ever held.

    Args:
        coding: its Content-Encoding.
        chunks: as they come.

    Raises:
        TooLarge: it has more; the connection is to be closed.
        Malformed: it is packed in a way that was not asked for, or damaged.
    """
    coding = coding.strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise Malformed("ContentEncoding")
    unpack = zlib.decompressobj(wbits=47) if coding not in ("", "identity") else None
    parts: list[bytes] = []
    room = MOST_BYTES
    try:
        async for part in chunks:
            if unpack is not None:
                part = unpack.decompress(part, room + 1)
            room -= len(part)
            if room < 0:
                raise TooLarge
            parts.append(part)
    except zlib.error:
        raise Malformed("TruncatedBody") from None
    return b"".join(parts)


def judge_exception(error: BaseException) -> Verdict:
    """What a failed connection or a cut-off reply means; the error's own text is never repeated."""
    if isinstance(error, asyncio.TimeoutError):
        return Verdict("retry", "Timeout", congested=True, silent=True)
    if isinstance(error, aiohttp.ClientSSLError):
        advice = "its certificate is not trusted here; set SSL_CERT_FILE to the authority's file"
        return Verdict("stop", "an untrusted certificate", advice=advice)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Verdict("retry", "TruncatedBody", silent=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Verdict("retry", "NameNotFound", silent=True, gone=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Verdict("retry", "ConnectionRefused", silent=True, gone=True)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Verdict("retry", "ConnectionClosed", silent=True)
    if isinstance(error, OSError):
        return Verdict("retry", "ConnectionReset", silent=True)
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
