"""Where a server is, which key it is shown, and whether text sent to it leaves this machine. Nothing here opens a socket."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode

from ehrbench.errors import MissingError, UsageError

PATHS = {"chat": "chat/completions", "completions": "completions", "responses": "responses"}
"""Where calls go below the base address, by the API."""
OPENAI_URL = "https://api.openai.com/v1"
CALLS_PER_FILE, AZURE_CALLS_PER_FILE = 50_000, 100_000
"""Of a batch file, at most, as OpenAI and Azure document them; other servers are held to OpenAI's."""
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True)
class Endpoint:
    """One model's address on a server."""

    base_url: str
    """Without a trailing slash, credentials or query: safe to print."""
    call_url: str
    """Where calls are posted."""
    models_url: str | None
    """Where the served models are listed; None where the API has no such page."""
    key_env: str
    """The environment variable that holds the key."""
    key_header: Literal["Authorization", "api-key"] = "Authorization"
    key_required: bool = False
    """False for servers that may ask for none."""
    proxy: str | None = None
    """The proxy through which an https server is reached; it learns the server's name and sees nothing of what is said."""

    header_envs: tuple[tuple[str, str], ...] = ()
    """Further headers of every call: the name of each, and the environment variable that holds its value."""
    certificate: tuple[str, str | None] | None = None
    """A client certificate and, where it is a file of its own, its key: paths of PEM files."""
    service_url: str = ""
    """The address below which the server has ``files`` and ``batches``."""
    service_query: str = ""
    """What each of those addresses ends with: Azure's version of the API."""
    calls_per_file: int = CALLS_PER_FILE
    """The most calls of one batch file."""

    @property
    def is_remote(self) -> bool:
        """Whether the text leaves this machine."""
        return not is_loopback(self.base_url)

    def headers(self) -> dict[str, str]:
        """The headers of every call, with the key as the environment has it now.

        Raises:
            UsageError: the key is needed and not set, or cannot be part of a header.
        """
        headers = {"Content-Type": "application/json"}
        key = os.environ.get(self.key_env, "").strip()
        if not key and self.key_required:
            raise UsageError(f"{self.base_url} asks for a key: set the environment variable {self.key_env}")
        if not key.isascii() or not key.isprintable():
            raise UsageError(f"the environment variable {self.key_env} holds characters that no key has: set it again")
        if key:
            headers[self.key_header] = f"Bearer {key}" if self.key_header == "Authorization" else key
        for name, variable in self.header_envs:
            value = os.environ.get(variable, "").strip()
            if not value or not value.isascii() or not value.isprintable():
                raise UsageError(f"--model-arg headers: set the environment variable {variable} to what the header {name} holds")
            headers[name] = value
        return headers

    def service(self, *parts: str, **query: str) -> str:
        """The address of something of the server's batch service: ``service("files", ID, "content")``."""
        ending = "&".join(filter(None, (self.service_query, urlencode(query))))
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self.service_url}/{path}" + (f"?{ending}" if ending else "")

    def tls(self) -> ssl.SSLContext | None:
        """What TLS is spoken with, where there is a client certificate; None: the default.

        Raises:
            UsageError: the certificate or its key cannot be read.
        """
        if self.certificate is None:
            return None
        context = ssl.create_default_context()
        try:
            context.load_cert_chain(*self.certificate)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"the client certificate cannot be read ({type(error).__name__}): client_certificate is a PEM file, "
                "client_key_file its key without a password where that is a file of its own"
            ) from None
        return context


def openai_endpoint(base_url: str, api: str, key_env: str) -> Endpoint:
    """The endpoint of any OpenAI-compatible server.

    Raises:
        UsageError: not an http or https address, or one that holds credentials.
    """
    base = parse_base_url(base_url)
    path = PATHS[api]
    return Endpoint(base, f"{base}/{path}", f"{base}/models", key_env, key_required=base == OPENAI_URL, service_url=base)


def azure_endpoint(base_url: str, deployment: str, api: str, api_version: str, key_env: str) -> Endpoint:
    """The endpoint of an Azure deployment; ``api_version`` ``v1`` is the API without dated versions.

    Raises:
        UsageError: as ``openai_endpoint``.
    """
    base = parse_base_url(base_url)
    path = PATHS[api]
    if api_version == "v1":
        service, query = f"{base}/openai/v1", ""
        call = f"{service}/{path}"
    else:
        service, query = f"{base}/openai", f"api-version={quote(api_version, safe='')}"
        call = f"{service}/deployments/{quote(deployment, safe='')}/{path}?{query}"
    return Endpoint(
        base,
        call,
        None,
        key_env,
        "api-key",
        key_required=True,
        service_url=service,
        service_query=query,
        calls_per_file=AZURE_CALLS_PER_FILE,
    )


_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_OWN_HEADERS = frozenset({"authorization", "api-key", "content-type", "content-length", "host", "accept-encoding", "cookie"})


def with_headers(endpoint: Endpoint, text: str | None) -> Endpoint:
    """The endpoint with further headers (``X-Project=WARD_PROJECT``), whose values the environment holds.

    Raises:
        UsageError: not of that form, or a header that calls have anyway.
    """
    found = []
    for pair in (text or "").split(","):
        name, equals, variable = (part.strip() for part in pair.partition("="))
        if not pair.strip():
            continue
        if not (equals and variable and _HEADER.fullmatch(name)):
            raise UsageError(
                "--model-arg headers: expected HEADER=VARIABLE, where the environment variable holds the value; commas between "
                "several"
            )
        if name.lower() in _OWN_HEADERS:
            raise UsageError(f"--model-arg headers: {name} is set by ehrbench; leave it out")
        found.append((name, variable))
    return replace(endpoint, header_envs=tuple(found))


def with_certificate(endpoint: Endpoint, certificate: str | None, key_file: str | None) -> Endpoint:
    """The endpoint, to which a client certificate is shown.

    Raises:
        UsageError: a key without a certificate, or an address that is not https.
        MissingError: a file that is not there.
    """
    if certificate is None:
        if key_file is not None:
            raise UsageError("--model-arg client_key_file: whose key? give client_certificate=FILE, too")
        return endpoint
    if not endpoint.base_url.startswith("https://"):
        raise UsageError(f"--model-arg client_certificate: {endpoint.base_url} is not an https address, so none is shown")
    for path in filter(None, (certificate, key_file)):
        if not Path(path).expanduser().is_file():
            raise MissingError(f"the client certificate or its key is not there: {path}")
    return replace(endpoint, certificate=(certificate, key_file))


def through_proxy(endpoint: Endpoint, proxy: str | None) -> Endpoint:
    """The endpoint, reached through a proxy.

    Raises:
        UsageError: not an address of a proxy, a server on this machine, or one that is spoken to in plain text, which the proxy
            would read.
    """
    if proxy is None:
        return endpoint
    address = parse_base_url(proxy, "proxy", "http://host:port")
    if not endpoint.is_remote:
        raise UsageError(f"--model-arg proxy: {endpoint.base_url} is on this machine and is reached without one; leave proxy out")
    if not endpoint.base_url.startswith("https://"):
        raise UsageError(
            f"--model-arg proxy: {endpoint.base_url} is not an https address, so the proxy would read the text; give the "
            "server's https address, or leave proxy out"
        )
    return replace(endpoint, proxy=address)


def parse_base_url(text: str, name: str = "base_url", expected: str = "http://host:port/v1 or https://host/v1") -> str:
    """An address in one spelling.

    Args:
        text: what was given.
        name: of the argument, for messages.
        expected: what it looks like, for messages.

    Raises:
        UsageError: not an http or https address, or one that holds credentials, a query or a fragment.
    """
    from yarl import URL

    try:
        url = URL(text.strip())
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError
        url.port  # noqa: B018 (raises where the port is none)
    except ValueError:
        # The text itself is not repeated: a mistyped address may hold a password.
        raise UsageError(f"{name} is not an address: expected {expected}") from None
    if url.user or url.password:
        advice = (
            "and put the key into an environment variable" if name == "base_url" else "(a proxy that asks for one cannot be used)"
        )
        raise UsageError(f"{name} holds a user or password: leave it out {advice}")
    if url.query_string or url.fragment:
        names = ", ".join(name for name, _ in parse_qsl(url.query_string)) or "a fragment"
        raise UsageError(f"{name} has a query or fragment ({names}): give {expected}")
    base = str(url).rstrip("/")
    for suffix in ("/chat/completions", "/completions", "/responses"):
        base = base.removesuffix(suffix)
    return base


def is_loopback(base_url: str) -> bool:
    """Whether an address is this machine by its spelling alone: ``localhost``, 127.0.0.0/8 or ::1. No name is looked up."""
    from yarl import URL

    host = URL(base_url).host or ""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in _LOOPBACK)
