"""Who may ask: every request without the token's cookie, with another host, or from another page is refused."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from ehrbench.errors import PolicyError, UsageError
from ehrbench.runs.approvals import record_approval
from ehrbench.runs.folder import RunFolder
from ehrbench.tasks.catalog import load_catalog
from ehrbench.workbench.access import VISITOR, Gate, OneDoor
from ehrbench.workbench.pages import Pages
from ehrbench.workbench.serving import local_place, open_socket, run_server, shared_place
from tests.workbench.conftest import make_study
from tests.workbench.served import Client, Command, in_thread

CANARY = "canary-patient-text"


def _app(doors: OneDoor, told: list[str]) -> tuple[web.Application, Gate]:
    pages = Pages("test", "banner", ("record.js",))

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"hello {VISITOR.get()}")

    async def broken(request: web.Request) -> web.Response:
        raise ValueError(CANARY)

    app = web.Application()
    gate = Gate(doors, pages.policy, pages.message, told.append)
    gate.install(app)
    app.router.add_get("/", hello)
    app.router.add_post("/", hello)
    app.router.add_get("/broken", broken)
    return app, gate


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def doors() -> OneDoor:
    return OneDoor()


@pytest.fixture
def client(doors: OneDoor, told: list[str]) -> Iterator[Client]:
    with in_thread(*_app(doors, told)) as port:
        yield Client(port)


def test_the_token_becomes_a_strict_cookie_and_opens_the_pages(client: Client, doors: OneDoor) -> None:
    assert client.ask("/").status == 403
    assert client.ask(f"/enter/{doors.token[:-1]}").status == 403
    entered = client.enter(doors.token)
    assert entered.status == 200
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert doors.token not in cookie
    assert client.ask("/").text == "hello you"
    client.cookie = client.cookie[:-1] + "x"
    assert client.ask("/").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "127.0.0.1.evil.example:{port}"]
)
def test_another_host_is_refused_even_with_the_cookie(client: Client, doors: OneDoor, host: str) -> None:
    client.enter(doors.token)
    client.host = host.format(port=client.port)
    reply = client.ask("/")
    assert reply.status == 400
    assert "hello" not in reply.text
    assert client.ask(f"/enter/{doors.token}").status == 400


def test_another_origin_is_refused_even_with_the_cookie(client: Client, doors: OneDoor) -> None:
    client.enter(doors.token)
    own = f"http://127.0.0.1:{client.port}"
    assert client.ask("/", "POST", "", Origin=own).status == 200
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{client.port}", "http://127.0.0.1:1"):
        assert client.ask("/", "POST", "", Origin=origin).status == 403
        assert client.ask("/", Origin=origin).status == 403
    assert client.ask("/", "POST", "", Origin="").status == 403


def test_a_page_on_another_port_of_this_machine_is_another_site(client: Client, doors: OneDoor) -> None:
    client.enter(doors.token)
    assert client.ask("/", Sec_Fetch_Site="same-origin").status == 200
    assert client.ask("/", Sec_Fetch_Site="none").status == 200
    for site in ("same-site", "cross-site", "nonsense"):
        assert client.ask("/", Sec_Fetch_Site=site).status == 403
    # A link to the entrance may stand anywhere: it gives nothing that the token does not.
    assert client.ask(f"/enter/{doors.token}", Sec_Fetch_Site="cross-site").status == 200


def test_every_answer_forbids_keeping_framing_and_foreign_scripts(client: Client, doors: OneDoor) -> None:
    client.enter(doors.token)
    for path in ("/", "/nowhere", "/broken", f"/enter/{doors.token}"):
        headers = client.ask(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy and "http" not in policy and "*" not in policy


def test_a_bug_is_reported_without_its_message(
    client: Client, doors: OneDoor, told: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    client.enter(doors.token)
    reply = client.ask("/broken")
    assert reply.status == 500
    assert CANARY not in reply.text
    assert len(told) == 1 and "ValueError" in told[0] and CANARY not in told[0]
    assert CANARY not in "".join(capfd.readouterr())


def test_an_address_beyond_this_machine_needs_certificate_and_approval(tmp_path: Path) -> None:
    task = load_catalog().get("medalign")
    cert = key = tmp_path / "x.pem"
    with pytest.raises(PolicyError, match="certificate"):
        shared_place("ward.example:8443", None, None, task)
    with pytest.raises(PolicyError, match="ehrbench approve https://ward.example:8443"):
        shared_place("ward.example:8443", cert, key, task)
    record_approval("https://ward.example:8444", "medalign", "me", "dua")
    record_approval("https://ward.example:8443", "meds_bench", "me", "dua")
    with pytest.raises(PolicyError):
        shared_place("ward.example:8443", cert, key, task)
    for everywhere in ("0.0.0.0:8443", "[::]:8443", "*:8443"):
        with pytest.raises(UsageError, match="every address"):
            shared_place(everywhere, cert, key, task)
    for odd in ("ward.example", "ward.example:", ":8443", "ward.example:0", "ward.example:99999"):
        with pytest.raises(UsageError, match="HOST:PORT"):
            shared_place(odd, cert, key, task)
    assert shared_place("127.0.0.1:8443", None, None, task).port == 8443


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_with_a_certificate_it_speaks_tls_and_nothing_else(runs: list[RunFolder], tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*make, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    make_study(runs[:2], tmp_path / "study", items=2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ("--listen", f"127.0.0.1:{port}", "--tls-cert", cert, "--tls-key", key)
    server = Command("rate", "serve", tmp_path / "study", *where)
    try:
        link = server.wait_for_links(2)["Ada"]
        assert link.startswith(f"https://127.0.0.1:{port}/enter/")
        door = urlsplit(link).path
        trusted = ssl.create_default_context(cafile=str(cert))
        reply, _ = _get(http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30), door)
        cookie = reply.getheader("Set-Cookie") or ""
        assert reply.status == 200 and all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Strict"))
        mine = {"Cookie": cookie.partition(";")[0]}
        reply, text = _get(http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30), "/", mine)
        assert reply.status == 200 and "item 1" in text
        with pytest.raises(ssl.SSLCertVerificationError):
            _get(http.client.HTTPSConnection("127.0.0.1", port, timeout=30), door)
        with pytest.raises((http.client.HTTPException, OSError)):
            _get(http.client.HTTPConnection("127.0.0.1", port, timeout=30), door)
    finally:
        server.kill()


def _get(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, str]:
    connection.request("GET", path, headers=headers or {})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply, text


def test_a_taken_port_is_one_sentence(doors: OneDoor, told: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="choose another port"):
            open_socket(local_place(taken.getsockname()[1]))


def test_it_closes_when_nobody_asks(doors: OneDoor, told: list[str]) -> None:
    ready: list[str] = []
    assert run_server(*_app(doors, told), local_place(0), idle_minutes=0.005, ready=ready.append) is True
    assert ready[0].startswith("http://127.0.0.1:")
