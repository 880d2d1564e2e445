"""The official client and our own transport on one server: the same calls, the same answers, the same ends."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Message, Request
from tests.support.server import Raw, Server, bomb

pytestmark = pytest.mark.openai

ROOT = Path(__file__).resolve().parents[2]
FAST = {"first_wait": "0.01", "timeout": "5", "max_retries": "2", "concurrency": "1"}
REQUESTS = [
    Request("a", (Message("system", "Be brief."), Message("user", "CANARY first")), 16),
    Request("b", (Message("user", "CANARY naïve \u2028 \U0001f600"),), 3, temperature=0.7, top_p=0.9, stop=("\n",), seed=3),
]
SCRIPTS: dict[str, list[str | Raw]] = {
    "no fault": [],
    "once": ["429:0.01", "500", "ok", "503"],
    **{name: [name] * 3 for name in ("429", "500", "reset", "close", "truncated", "garbage", "null", "nochoices", "bomb")},
    **{name: [name] for name in ("overflow", "filter", "filtered", "refusal", "400")},
    "event stream": [Raw(200, b"data: {}\n\n")] * 3,
    "gzip": [Raw(200, b"not gzip", {"Content-Encoding": "gzip"})] * 3,
    "brotli": [Raw(200, b"x", {"Content-Encoding": "br"})] * 3,
    "error of 200": [Raw.of({"error": {"code": 429, "message": "CANARY"}})],
    "thoughts": [Raw.of({"choices": [{"finish_reason": "stop", "message": {"content": "yes", "reasoning_content": "hm"}}]})],
    "413": ["413"],
}


def outcome(server: Server, client: str, name: str, **more: str) -> list[Any]:
    model = load_model(name, {"base_url": server.url, "client": client, **FAST, **more}, None)
    try:
        return [(r.id, r.text, r.finish, r.error, r.reasoning, r.prompt_tokens, r.answer_tokens, r.cached_tokens, r.attempts)
                for r in sorted(model.generate(REQUESTS), key=lambda r: r.id)]  # fmt: skip
    except EhrbenchError as error:
        return [type(error).__name__, str(error).replace(server.url, "URL")]
    finally:
        model.close()


def both(name: str = "openai:stub", script: list[str | Raw] | None = None, **more: str) -> list[tuple[Any, Any]]:
    found = []
    for client in ("ehrbench", "openai"):
        with Server(script=list(script or ())) as server:
            found.append((outcome(server, client, name, **more), server.bodies))
    return found


@pytest.mark.parametrize("fault", SCRIPTS)
def test_the_same_answers_and_outcomes(fault: str) -> None:
    if fault == "bomb":
        bomb()  # made once, which takes longer than an attempt may
    ours, theirs = both(script=["ok", *SCRIPTS[fault]] if fault != "no fault" else [])
    assert ours == theirs


@pytest.mark.parametrize("fault", ["401", "404", "307", "quota"])
def test_the_same_end_of_a_run(fault: str) -> None:
    ours, theirs = both(script=[fault] * 4)
    assert ours == theirs and ours[0][0] == "UsageError"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("openai:stub", {"api": "completions"}),
        ("openai:stub", {"thinking": "on", "extra_body": '{"top_k": 1, "metadata": {"a": "b"}}', "omit": "temperature"}),
        ("openai:stub", {"reasoning_effort": "low"}),
    ],
)
def test_the_same_bodies(name: str, more: dict[str, str]) -> None:
    ours, theirs = both(name, **more)
    assert ours == theirs and len(ours[1]) == 2


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "the-key")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server")
    for version in ("2024-10-21", "v1"):
        paths = []
        for client in ("ehrbench", "openai"):
            with Server() as server:
                outcome(server, client, "azure:my deployment", api_version=version)
            paths.append(server.paths)
            assert server.headers[0]["api-key"] == "the-key" and "authorization" not in server.headers[0]
        assert paths[0] == paths[1]


def test_choices() -> None:
    found = []
    for client in ("ehrbench", "openai"):
        with Server(logprobs={"yes": -0.1, "no": -2.5}) as server:
            model = load_model("openai:stub", {"base_url": server.url, "client": client}, None)
            choices = (("yes",), ("no",))
            (response,) = model.choice_probabilities([ChoiceRequest("c", (Message("user", "Q"),), choices)])
            found.append((response.probabilities, model.describe()))
            model.close()
    assert found[0] == found[1]


def test_it_is_the_package_that_calls_and_it_is_in_the_versions() -> None:
    with Server() as server:
        model = load_model("openai:stub", {"base_url": server.url, "client": "openai"}, None)
        list(model.generate(REQUESTS))
        model.close()
    assert "OpenAI/Python" in server.headers[0]["user-agent"] and set(model.identity.versions) == {"openai"}
    assert "authorization" not in server.headers[0]


def test_localhost_is_this_machine_and_no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", refuse)
    with Server() as server:
        url = server.url.replace("127.0.0.1", "localhost")
        model = load_model("openai:stub", {"base_url": url, "client": "openai"}, None)
        assert {response.finish for response in model.generate(REQUESTS)} == {"stop"}
        model.close()


SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Request
model = load_model("openai:stub", {"base_url": sys.argv[1], "client": "openai", "first_wait": "0.01"}, None)
for response in model.generate([Request("r", (Message("user", "CANARY question"),), 16)]):
    assert response.finish == "stop"
model.close()
"""


def test_no_text_is_logged_at_the_packages_debug_level() -> None:
    environment = {**os.environ, "OPENAI_LOG": "debug", "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "sk-canary-0123456789abcdef"}
    with Server(script=["500", "400"][:1], answer=lambda body: "CANARY answer") as server:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, server.url], capture_output=True, text=True, env=environment, timeout=60
        )
    assert done.returncode == 0, done.stderr
    shown = (done.stdout + done.stderr).lower()
    assert "canary" not in shown and "request options" not in shown
    assert json.dumps(server.bodies).count("CANARY") == 2  # the call and its second attempt
    assert logging.getLogger("openai").level in (logging.NOTSET, logging.WARNING)


def test_a_client_of_another_name() -> None:
    with pytest.raises(UsageError, match="client=opneai: expected one of ehrbench, openai"):
        load_model("openai:stub", {"client": "opneai"}, None)
