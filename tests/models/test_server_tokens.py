"""Tokens in place of a key, from a fake token endpoint on the loopback interface: renewed before they end, and when refused."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Request
from ehrbench.models.server.tokens import Token, Tokens, read_token
from tests.support.server import Server

CALLS = 5


class Issuer:
    """Hands out tokens, each good for so many calls, by the protocol of managed identities."""

    def __init__(self, calls: int = CALLS, seconds: float = 3600) -> None:
        self.calls = calls
        self.seconds = seconds
        self.issued = 0
        self.used: Counter[str] = Counter()
        self.refused = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.issued += 1
                end = str(int(time.time() + issuer.seconds))
                raw = json.dumps(
                    {"access_token": f"token-{issuer.issued}", "expires_on": end, "resource": "r", "token_type": "Bearer"}
                )
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw.encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/msi/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def admit(self, headers: Mapping[str, str]) -> bool:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        self.used[token] += 1
        good = token.startswith("token-") and self.used[token] <= self.calls
        self.refused += not good
        return good

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


def command(issuer: Issuer, folder: Path) -> str:
    script = folder / "token.py"
    script.write_text(f"import urllib.request\nprint(urllib.request.urlopen({issuer.url!r}).read().decode())\n")
    return f"{sys.executable} {script}"


def ask(server: Server, n: int, **args: str) -> list[str]:
    model = load_model("azure:stub", {"base_url": server.url.removesuffix("/v1"), "first_wait": "0.01", **args}, None)
    try:
        return [r.error or r.finish for r in model.generate(Request(str(i), (Message("user", f"Q {i}"),), 9) for i in range(n))]
    finally:
        model.close()


@pytest.mark.parametrize("concurrency", ["1", "16"])
def test_a_token_that_ends_after_five_calls_costs_no_call(issuer: Issuer, concurrency: str, tmp_path: Path) -> None:
    with Server(admit=issuer.admit) as server:
        ends = ask(server, 42, token_command=command(issuer, tmp_path), concurrency=concurrency)
    assert ends == ["stop"] * 42 and issuer.refused > 0
    assert sum(min(n, CALLS) for n in issuer.used.values()) == 42
    assert all("api-key" not in headers for headers in server.headers)


@pytest.mark.openai
@pytest.mark.parametrize("client", ["ehrbench", "openai"])
def test_entra(issuer: Issuer, client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-identity's own managed identity, as App Service has it."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "MSI_", "IDENTITY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IDENTITY_ENDPOINT", issuer.url)
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    issuer.seconds = 0.5  # so that azure-identity's own cache gives none twice
    with Server(admit=issuer.admit) as server:
        ends = ask(server, 42, auth="entra", client=client, concurrency="8")
    assert ends == ["stop"] * 42 and issuer.issued >= 9


def test_a_token_is_renewed_before_its_end() -> None:
    import asyncio

    now, made = [1000.0], []

    def fetch() -> Token:
        made.append(Token(f"t{len(made)}", now[0] + 3600))
        return made[-1]

    tokens = Tokens(fetch, lambda: now[0])

    async def at(time_: float) -> str:
        now[0] = time_
        return (await tokens.token()).value

    async def run() -> list[str]:
        return [await at(time_) for time_ in (1000, 4299, 4301, 4600, 1e6)]

    assert asyncio.run(run()) == ["t0", "t0", "t1", "t1", "t2"]


def test_a_token_outlives_an_issuer_that_fails_for_a_while() -> None:
    import asyncio

    from ehrbench.models.server.tokens import NoTokenError

    now, left = [0.0], [Token("t", 1000.0)]

    def fetch() -> Token:
        if not left:
            raise NoTokenError("away")
        return left.pop()

    tokens = Tokens(fetch, lambda: now[0])

    async def run() -> None:
        assert (await tokens.token()).value == "t"
        now[0] = 900.0
        assert (await tokens.token()).value == "t"
        now[0] = 1001.0
        with pytest.raises(NoTokenError):
            await tokens.token()

    asyncio.run(run())


def jwt(claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.x"


def test_tokens_as_commands_print_them() -> None:
    assert read_token(" abc\n") == Token("abc", None)
    assert read_token('{"accessToken": "a", "expires_on": 12, "expiresOn": "2026-01-01 00:00:00.000000"}') == Token("a", 12.0)
    assert read_token('{"access_token": "a", "expires_on": "12"}') == Token("a", 12.0)
    assert read_token('{"token": "a", "expiresOn": "1970-01-01T00:00:12Z"}') == Token("a", 12.0)
    assert read_token(jwt({"exp": 12})) == Token(jwt({"exp": 12}), 12.0)
    assert read_token(jwt([])).ends is None
    assert read_token("{not json") == Token("", None) == read_token("{}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"token_command": "no-such-command-of-anybody"}, "no-such-command-of-anybody did not run .FileNotFoundError"),
        ({"token_command": f"{sys.executable} -c 'print(\"CANARY\"); raise SystemExit(3)'"}, "ended with 3; run it in a shell"),
        ({"token_command": f"{sys.executable} -c 'print(\"CANARY two\")'"}, "gave no token; expected it alone, or a JSON object"),
        ({"token_command": "'"}, "expected a command that prints a token"),
        ({"token_command": "x", "auth": "entra"}, "both give tokens"),
        ({"scope": "x"}, "give auth=entra, too"),
    ],
)
def test_no_token_is_one_sentence(arguments: dict[str, str], message: str) -> None:
    with Server() as server, pytest.raises(UsageError, match=message) as caught:
        ask(server, 1, **arguments)
    assert "CANARY" not in str(caught.value) and not server.bodies


def test_a_token_that_nobody_takes_stops_the_run(issuer: Issuer, tmp_path: Path) -> None:
    with Server(admit=lambda headers: False) as server, pytest.raises(UsageError, match="HTTP 401.*check whom the token is for"):
        ask(server, 3, token_command=command(issuer, tmp_path), concurrency="1")
    assert issuer.issued == 2


def test_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARD_PROJECT", "ward 7")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    with Server() as server:
        ask(server, 1, headers="X-Project=WARD_PROJECT, X-Other=WARD_PROJECT")
    assert (server.headers[0]["x-project"], server.headers[0]["x-other"]) == ("ward 7", "ward 7")
    for text, message in (
        ("X-Project=NO_SUCH_VARIABLE", "set the environment variable NO_SUCH_VARIABLE"),
        ("X-Project", "expected HEADER=VARIABLE"),
        ("Authorization=WARD_PROJECT", "Authorization is set by ehrbench"),
    ):
        with Server() as server, pytest.raises(UsageError, match=message):
            ask(server, 1, headers=text)


@pytest.mark.parametrize("client", ["ehrbench", pytest.param("openai", marks=pytest.mark.openai)])
def test_a_client_certificate_is_shown(client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = tmp_path / "cert.pem", tmp_path / "own.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    make += ["-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    files = {"client_certificate": str(certificate), "client_key_file": str(key)}
    with Server(tls=context) as server:
        url = server.url.replace("http://", "https://")
        ask = [Request("a", (Message("user", "x"),), 9)]
        model = load_model("openai:m", {"base_url": url, "client": client, **files}, None)
        assert [response.finish for response in model.generate(ask)] == ["stop"]
        model.close()


def test_a_client_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="is not an https address"):
        load_model("openai:m", {"base_url": "http://h/v1", "client_certificate": str(tmp_path / "c.pem")}, None)
    with pytest.raises(MissingError, match="is not there"):
        load_model("openai:m", {"base_url": "https://h/v1", "client_certificate": str(tmp_path / "d.pem")}, None)
    with pytest.raises(UsageError, match="whose key"):
        load_model("openai:m", {"base_url": "https://h/v1", "client_key_file": "x"}, None)
    model = load_model("openai:m", {"base_url": "https://127.0.0.1:9/v1", "client_certificate": str(tmp_path / "c.pem")}, None)
    with pytest.raises(UsageError, match="cannot be read .SSLError"):
        list(model.generate([Request("a", (Message("user", "x"),), 9)]))
