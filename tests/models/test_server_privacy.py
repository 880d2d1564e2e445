"""No socket before the first call, no other address ever, no secret and no record in anything that is kept or shown."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ehrbench import evaluate
from ehrbench.errors import PolicyError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Message, Request
from ehrbench.models.server.endpoint import is_loopback, parse_base_url
from ehrbench.records import Entry
from tests.acceptance.chart import write_release
from tests.support.server import Server

KEY = "sk-canary-0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:8000/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.8.9.10/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost.example.org/v1", False),
        ("http://127.0.0.1.example.org/v1", False),
        ("http://127.1/v1", False),
        ("http://2130706433/v1", False),
        ("http://0.0.0.0:8000/v1", False),
        ("http://[::]/v1", False),
        ("http://[::ffff:127.0.0.1]/v1", False),
        ("http://192.168.0.2:8000/v1", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_loopback_is_read_off_the_address(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback
    assert load_model("openai:m", {"base_url": url}, None).is_remote is not loopback


def test_addresses_in_one_spelling() -> None:
    assert parse_base_url(" https://Host.org/v1/ ") == "https://host.org/v1"
    assert parse_base_url("http://h:8000/v1/chat/completions") == "http://h:8000/v1"


@pytest.mark.parametrize(
    "url", ["host/v1", "ftp://h/v1", "https://", "https://me:CANARY@h/v1", "https://h/v1?api-key=CANARY", "https://h:x/v1", ""]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="base_url") as caught:
        load_model("openai:m", {"base_url": url} if url else {"base_url": " "}, None)
    assert "CANARY" not in str(caught.value)


def test_making_a_model_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened or a name looked up")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "socketpair", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    threads = threading.active_count()
    remote = load_model("openai:gpt", {}, None)
    azure = load_model("azure:gpt", {"base_url": "https://x.openai.azure.com"}, None)
    local = load_model("openai:gpt", {"base_url": "http://localhost:1/v1"}, None)
    assert (remote.is_remote, azure.is_remote, local.is_remote) == (True, True, False)
    assert (remote.endpoint, azure.endpoint) == ("https://api.openai.com/v1", "https://x.openai.azure.com")
    assert threading.active_count() == threads


def test_the_address_of_the_environment_is_taken_and_falls_under_the_policy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.example.org/v1")
    model = load_model("openai:stub", {}, None)
    assert (model.endpoint, model.is_remote) == ("https://models.example.org/v1", True)
    model.close()
    write_release(tmp_path / "data", patients=1, questions=1, entries=1)
    with pytest.raises(PolicyError, match=r"models\.example\.org"):
        evaluate("openai:stub", "medalign", data_dir=tmp_path / "data", out=tmp_path / "out", metrics=["rouge_l"])
    local = load_model("openai:stub", {"base_url": "http://127.0.0.1:9/v1"}, None)
    assert (local.endpoint, local.is_remote) == ("http://127.0.0.1:9/v1", False), "what is given comes first"
    local.close()


def test_a_gateway_on_this_machine_is_judged_by_where_it_sends_text(tmp_path: Path) -> None:
    write_release(tmp_path / "data", patients=1, questions=1, entries=1)
    with Server() as server:
        arguments = {"base_url": server.url, "forwards_to": "https://bedrock.example.org/"}
        with pytest.raises(PolicyError, match=r"bedrock\.example\.org"):
            evaluate("openai:stub", "medalign", model_args=arguments, data_dir=tmp_path / "data", out=tmp_path / "out")
        local = load_model("openai:stub", arguments | {"forwards_to": "http://localhost:9"}, None)
        assert (local.endpoint, local.is_remote) == (server.url, False)
    assert server.connections == 0
    with pytest.raises(UsageError, match="forwards_to is not an address"):
        load_model("openai:stub", {"forwards_to": "bedrock"}, None)


def test_a_missing_key_is_said_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="set the environment variable OPENAI_API_KEY"):
        list(load_model("openai:gpt", {}, None).generate([Request("a", (Message("user", "x"),), 9)]))
    with pytest.raises(UsageError, match="set the environment variable MY_VARIABLE"):
        model = load_model("azure:gpt", {"base_url": "https://x", "api_key_env": "MY_VARIABLE"}, None)
        list(model.generate([Request("a", (Message("user", "x"),), 9)]))


def test_the_key_goes_into_the_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with Server(script=["400"]) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        azure = load_model("azure:stub", {"base_url": server.url.removesuffix("/v1")}, None)
        responses = [*model.generate([Request("a", (Message("user", "x"),), 9)])]
        responses += azure.generate([Request("b", (Message("user", "x"),), 9)])
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert server.headers[1]["api-key"] == KEY
    assert "authorization" not in server.headers[1]
    assert server.paths[1] == "/openai/deployments/stub/chat/completions?api-version=2024-10-21"
    for thing in (model, azure, model.identity, azure.identity, model.endpoint, responses, vars(model), server.bodies):
        assert KEY not in repr(thing)


def test_a_refused_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_VARIABLE", KEY)
    with Server(script=["401"]) as server, pytest.raises(UsageError) as caught:
        model = load_model("openai:stub", {"base_url": server.url, "api_key_env": "MY_VARIABLE"}, None)
        list(model.generate([Request("a", (Message("user", "x"),), 9)]))
    assert "MY_VARIABLE" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_key_with_a_line_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\nX-Evil: 1")
    with Server() as server, pytest.raises(UsageError, match="characters that no key has") as caught:
        list(load_model("openai:stub", {"base_url": server.url}, None).generate([Request("a", (), 9)]))
    assert KEY not in str(caught.value)
    assert server.connections == 0


def test_redirects_are_not_followed() -> None:
    with Server() as elsewhere, Server(script=["307"], redirect=elsewhere.url + "/chat/completions") as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        with pytest.raises(UsageError, match="text is not sent on"):
            list(model.generate([Request("a", (Message("user", "CANARY"),), 9)]))
    assert elsewhere.connections == 0


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as proxy, Server() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        model = load_model("openai:stub", {"base_url": server.url}, None)
        assert [r.finish for r in model.generate([Request("a", (Message("user", "x"),), 9)])] == ["stop"]
    assert proxy.connections == 0


def test_localhost_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    with Server() as server:
        model = load_model("openai:stub", {"base_url": server.url.replace("127.0.0.1", "localhost")}, None)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        assert [r.finish for r in model.generate([Request("a", (Message("user", "x"),), 9)])] == ["stop"]


def test_what_is_meant_for_baselines_is_never_sent() -> None:
    request = Request(
        "r1", (Message("user", "shown"),), 9, prefix="CANARY", item="CANARY", question="CANARY", record="CANARY record",
        entries=(Entry(0, 6, None, "CANARY"),), choices=("CANARY",),
    )  # fmt: skip
    choice = ChoiceRequest("r2", (Message("user", "shown"),), (("CANARY",),), prefix="CANARY", item="CANARY")
    with Server(logprobs={"CANARY": -0.1}) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        list(model.generate([request]))
        list(model.choice_probabilities([choice]))
    assert len(server.bodies) == 2
    assert "CANARY" not in repr(server.bodies) + repr(server.headers)


def test_nothing_is_logged_and_the_process_ends(tmp_path: Path) -> None:
    """A run that never closes its model and is left in the middle says nothing and does not hang."""
    with Server(script=["ok", "reset", "garbage", "400"], latency=0.02) as server:
        code = (
            "import logging, time; logging.basicConfig(level=logging.DEBUG)\n"
            "from ehrbench.models.loading import load_model\n"
            "from ehrbench.models.protocol import Request, Message\n"
            f"model = load_model('openai:stub', {{'base_url': {server.url!r}, 'first_wait': '0.01'}}, None)\n"
            "def source():\n"
            "    for i in range(20): yield Request(str(i), (Message('user', f'CANARY {i}'),), 9)\n"
            "    time.sleep(60)\n"
            "for n, response in enumerate(model.generate(source())):\n"
            "    if n == 10: break\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "OPENAI_API_KEY": KEY, "EHRBENCH_HOME": str(tmp_path)},
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "CANARY" not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    assert "Unclosed" not in done.stderr
