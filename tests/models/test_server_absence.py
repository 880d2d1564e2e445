"""A server that goes away, comes back, loads, or never answers: what it costs, and what is said."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Model, Request, Response
from tests.support.server import Raw, Server, bomb


def connect(server: Server, **args: str) -> Model:
    return load_model("openai:stub", {"base_url": server.url, "first_wait": "0.1", "timeout": "5", **args}, None)


def ask(model: Model, n: int) -> list[Response]:
    return list(model.generate(Request(str(i), (Message("user", f"CANARY {i}"),), 16) for i in range(n)))


def test_a_server_that_dies_and_comes_back_costs_no_item_and_few_attempts(caplog: pytest.LogCaptureFixture) -> None:
    with Server(outage=(40, 4.0)) as server:
        responses = ask(connect(server, concurrency="8", max_retries="2"), 200)
    assert {response.finish for response in responses} == {"stop"}
    attempts = sum(response.attempts for response in responses) - len(responses)
    assert attempts < 60, "eight calls at a time, each trying for itself until it gave up, would need more"
    assert caplog.text.count("answers again after") == 1
    assert caplog.text.count("one call at a time tries") == 1
    assert "CANARY" not in caplog.text


def test_a_loading_server_is_waited_for_whatever_the_number_of_attempts() -> None:
    with Server(loading=3.0) as server:
        responses = ask(connect(server, concurrency="4", max_retries="1"), 20)
    assert {response.finish for response in responses} == {"stop"}


def test_a_run_ends_when_nothing_has_come_back_for_too_long() -> None:
    with Server(outage=(10, 60.0)) as server:
        model = connect(server, concurrency="4", retry_seconds="2")
        seen = []
        with pytest.raises(MissingError, match="the same command continues when the server answers"):
            for response in model.generate(Request(str(i), (Message("user", str(i)),), 16) for i in range(10_000)):
                seen.append(response.id)
        assert server.requests.total() < 100, "the others were not tried"
    assert 0 < len(seen) < 20


def test_items_at_fault_end_as_errors_although_nothing_else_comes_back() -> None:
    """The last items of a run all fail for their own sake: they must not be taken for the server's absence."""
    with Server(rates={"500": 1.0}, script=["ok"] * 5) as server:
        responses = ask(connect(server, concurrency="2", max_retries="3", first_wait="0.3"), 8)
    assert Counter(response.error for response in responses) == {None: 5, "HTTP 500": 3}


def test_the_wait_is_said_once_per_state(caplog: pytest.LogCaptureFixture) -> None:
    with Server(script=["503:2.1"] * 3) as server:
        responses = ask(connect(server, concurrency="3"), 3)
    assert {response.finish for response in responses} == {"stop"}
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("HTTP 503, attempt 1 of 9, next in 2 s" in line for line in lines) == 1
    assert sum("answers again" in line for line in lines) == 1


@pytest.mark.parametrize(("stop_after", "stops"), [("3", True), ("0", False), ("6", False)])
def test_first_calls_that_all_fail_alike_stop_the_run(stop_after: str, stops: bool) -> None:
    with Server(rates={"400": 1.0}) as server:
        model = connect(server, concurrency="1", stop_after=stop_after)
        if stops:
            with pytest.raises(UsageError, match="HTTP 400 to the first 3 calls"):
                ask(model, 5)
        else:
            assert [response.error for response in ask(model, 5)] == ["HTTP 400"] * 5


def test_first_failures_of_several_kinds_stop_nothing() -> None:
    with Server(script=["400", "422", "400", "422", "400"]) as server:
        responses = ask(connect(server, concurrency="1", stop_after="2", max_retries="0"), 6)
    assert sum(response.finish == "stop" for response in responses) == 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how much a process has held")
def test_a_body_is_never_held_beyond_its_bound() -> None:
    """In a process of its own, so that what this one holds as the server does not count."""
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from ehrbench.models.loading import load_model\n"
        "from ehrbench.models.protocol import Request, Message\n"
        "model = load_model('openai:stub', {'base_url': sys.argv[1], 'concurrency': '2'}, None)\n"
        "for answer in model.generate(Request(str(i), (Message('user', f'q{i}'),), 9) for i in range(6)):\n"
        "    print(answer.finish)\n"
        "print(int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) >> 10)\n"
    )
    large = [Raw(200, b"x" * (1 << 20), repeat=200), Raw(200, bomb(200 << 20), {"Content-Encoding": "gzip"})]
    with Server(script=large) as server:
        run = subprocess.run([sys.executable, "-c", code, server.url], capture_output=True, text=True, timeout=120, check=True)
    *finishes, megabytes = run.stdout.split()
    assert Counter(finishes) == {"error": 2, "stop": 4}
    assert int(megabytes) < 250


@pytest.mark.parametrize(("coding", "finish"), [("gzip", "stop"), ("deflate", "stop"), ("br", "error"), ("identity", "stop")])
def test_packed_answers(coding: str, finish: str) -> None:
    import gzip
    import json
    import zlib

    plain = json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}).encode()
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding, bytes)
    with Server(script=[Raw(200, pack(plain), {"Content-Encoding": coding})] * 9) as server:
        (response,) = ask(connect(server, max_retries="1"), 1)
        assert server.headers[0]["accept-encoding"] == "identity"
    assert response.finish == finish
