"""Calls through the official package ``openai``, under the rules of our own line.

One address, no redirect, no proxy of the environment, no text in a log, a bounded reply; waiting and trying again is elsewhere.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ehrbench.errors import MissingError
from ehrbench.models.server.body import decode
from ehrbench.models.server.endpoint import PATHS, Endpoint
from ehrbench.models.server.line import CONNECT_SECONDS, Reply, TooLarge, unpacked
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import Verdict

_EXACT: ContextVar[bytes | None] = ContextVar("body", default=None)
"""The body of this call where the package cannot make it."""
_LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
_KEY_HEADERS = ("authorization", "api-key")


def require_openai() -> None:
    """Make sure that the package is there.

    Raises:
        MissingError: it is not installed.
    """
    if find_spec("openai") is None:
        raise MissingError("client=openai needs the package openai, not installed here: pip install 'ehrbench[openai]'")


class OpenAILine:
    """``AsyncOpenAI`` over an HTTP client that sends to the endpoint alone, whatever the environment says."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        """Make the client; a connection is opened by the first call.

        Args:
            endpoint: where the server is.
            timeout: seconds of one attempt.
        """
        require_openai()
        openai = import_module("openai")
        for name in _LOGGERS:  # at its debug level ($OPENAI_LOG) some releases of the package log whole requests
            logging.getLogger(name).setLevel(logging.WARNING)
        http = import_module(_http_library(openai.DefaultAsyncHttpxClient))
        self._openai = openai
        self._timeout = timeout
        self.failures: tuple[type[BaseException], ...] = (
            openai.OpenAIError,
            http.HTTPError,
            asyncio.TimeoutError,
            OSError,
            ssl.SSLError,
        )
        self._http_errors = http
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key="none",  # replaced by _Guard, which sets the headers of every call
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=CONNECT_SECONDS),
            http_client=openai.DefaultAsyncHttpxClient(
                transport=_guarded(http, endpoint), trust_env=False, follow_redirects=False, timeout=timeout
            ),
        )
        # The address is the endpoint's own, query and all, so that Azure's deployments are reached in the same way.
        path = endpoint.call_url.partition("?")[0]
        api = next(name for name in ("chat", "completions", "responses") if path.endswith(f"/{PATHS[name]}"))
        empty: dict[str, dict[str, Any]] = {"chat": {"messages": []}, "completions": {"prompt": ""}, "responses": {"input": []}}
        self._empty = empty[api]
        self._client.base_url = path.removesuffix(f"/{PATHS[api]}")
        query = endpoint.call_url.partition("?")[2]
        self._query = dict(part.split("=", 1) for part in query.split("&")) if query else {}
        methods = {"chat": self._client.chat.completions, "completions": self._client.completions}
        method = methods.get(api) or self._client.responses
        self._create = method.with_raw_response.create
        self._fields = frozenset(inspect.signature(method.create).parameters)
        self._open = True

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self._open

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a call by the package's own method; fields that it does not know are sent all the same."""
        return await asyncio.wait_for(self._post(body, headers), self._timeout)

    async def _post(self, body: bytes, headers: Mapping[str, str] | None) -> Reply:
        data = decode(body)
        exact = b"\\ud" in body and _has_half_pairs(data)
        if exact:  # the package cannot encode half a surrogate pair, which our body has escaped
            data = {"model": data["model"], **self._empty}
        held = _EXACT.set(body if exact else None)
        known = {name: value for name, value in data.items() if name in self._fields}
        further = {name: value for name, value in data.items() if name not in self._fields}
        call = self._create(
            **known, extra_body=further or None, extra_headers=dict(headers or {}), extra_query=self._query or None
        )
        try:
            reply = (await call).http_response
        except self._openai.APIStatusError as error:
            reply = error.response
        finally:
            _EXACT.reset(held)
        return Reply(reply.status_code, reply.headers, reply.content)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Fetch a page over the same connections."""
        http = self._client._client
        reply = await asyncio.wait_for(http.get(url, headers=dict(headers or {})), 30)
        return Reply(reply.status_code, reply.headers, reply.content)

    async def close(self) -> None:
        """Close the connections."""
        self._open = False
        await self._client.close()

    def judge(self, error: BaseException) -> Verdict:
        """What a failed call means, by the names that our own line gives."""
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, Malformed):
                return Verdict("retry", cause.kind, most_retries=cause.most_retries)
            if isinstance(cause, TooLarge):
                return Verdict("give_up", "TooLarge")
            if isinstance(cause, ssl.SSLCertVerificationError):
                advice = "its certificate is not trusted here; set SSL_CERT_FILE to the authority's file"
                return Verdict("stop", "an untrusted certificate", advice=advice)
        kinds = {type(cause).__name__ for cause in causes}
        said = " ".join(str(cause) for cause in causes)
        if kinds & {"APITimeoutError", "TimeoutError", "ReadTimeout", "WriteTimeout", "PoolTimeout", "ConnectTimeout"}:
            return Verdict("retry", "Timeout", congested=True, silent=True)
        if "gaierror" in kinds:
            return Verdict("retry", "NameNotFound", silent=True, gone=True)
        if "ConnectError" in kinds:
            return Verdict("retry", "ConnectionRefused", silent=True, gone=True)
        if "RemoteProtocolError" in kinds:
            cut = "without sending" in said and "body" in said
            return Verdict("retry", "TruncatedBody" if cut else "ConnectionClosed", silent=True)
        if kinds & {"ReadError", "WriteError", "CloseError", "ConnectionResetError", "BrokenResourceError"}:
            return Verdict("retry", "ConnectionReset", silent=True)
        return Verdict("retry", type(error).__name__)


def _has_half_pairs(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _http_library(client: type) -> str:
    """The HTTP library under the package: ``httpx``, or what later releases took in its place."""
    base = next(one for one in client.__mro__ if one.__name__ == "AsyncClient")
    return base.__module__.partition(".")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and the members of groups among them."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _guarded(http: Any, endpoint: Endpoint) -> Any:
    """The transport below the package's client: the last place that a request passes, so that what it holds to holds."""
    options: dict[str, Any] = {"trust_env": False, "proxy": endpoint.proxy, "limits": http.Limits(max_connections=None)}
    if (context := endpoint.tls()) is not None:
        options["verify"] = context
    shown = endpoint.headers()
    allowed = http.URL(endpoint.call_url)

    class Guard(http.AsyncHTTPTransport):  # type: ignore[misc]
        """Sends to the endpoint alone, with its key and headers; reads a bounded reply; answers ``localhost`` by itself."""

        async def handle_async_request(self, request: Any) -> Any:
            if (request.url.scheme, request.url.host, request.url.port) != (allowed.scheme, allowed.host, allowed.port):
                raise http.UnsupportedProtocol("another address than the endpoint's")
            token = request.headers.get("authorization", "")
            for name in _KEY_HEADERS:
                request.headers.pop(name, None)
            if not token.endswith(" none"):
                request.headers["authorization"] = token
            request.headers.update({**shown, "Accept-Encoding": "identity"})
            if (exact := _EXACT.get()) is not None:
                headers = [(n, v) for n, v in request.headers.items() if n.lower() not in ("content-length", "transfer-encoding")]
                request = http.Request(request.method, request.url, headers=headers, content=exact, extensions=request.extensions)
            response = await self._answer(request)
            try:
                raw = await unpacked(response.headers.get("Content-Encoding", "identity"), response.stream)
            finally:
                await response.aclose()
            headers = [(n, v) for n, v in response.headers.raw if n.lower() not in (b"content-encoding", b"transfer-encoding")]
            return http.Response(response.status_code, headers=headers, content=raw, request=request)

        async def _answer(self, request: Any) -> Any:
            if request.url.host != "localhost":
                return await super().handle_async_request(request)
            extensions = {**request.extensions, "sni_hostname": "localhost"}
            try:
                local = http.Request(request.method, request.url.copy_with(host="127.0.0.1"), headers=request.headers,
                                     stream=request.stream, extensions=extensions)  # fmt: skip
                return await super().handle_async_request(local)
            except http.ConnectError:
                local = http.Request(request.method, request.url.copy_with(host="::1"), headers=request.headers,
                                     stream=request.stream, extensions=extensions)  # fmt: skip
                return await super().handle_async_request(local)

    return Guard(**options)
