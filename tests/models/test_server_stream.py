"""Many calls in flight: each answered once, from sources that block until earlier answers have been seen."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Model, Request, Response
from tests.support.server import Server


def connect(server: Server, **args: str) -> Model:
    return load_model("openai:stub", {"base_url": server.url, "first_wait": "0.01", **args}, None)


def request(name: str) -> Request:
    return Request(name, (Message("user", f"question {name}"),), 16)


class Chains:
    """A live source: each chain's next step is there only once its step before has been answered."""

    def __init__(self, n_chains: int, n_steps: int) -> None:
        self.ready: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self.n_steps = n_steps
        self.open = n_chains
        for chain in range(n_chains):
            self.ready.put(request(f"{chain}.0"))

    def __iter__(self) -> Iterator[Request]:
        while (made := self.ready.get()) is not None:
            yield made

    def answered(self, response: Response) -> None:
        chain, step = map(int, response.id.split("."))
        if step + 1 < self.n_steps:
            self.ready.put(request(f"{chain}.{step + 1}"))
        else:
            self.open -= 1
            if not self.open:
                self.ready.put(None)


@pytest.mark.parametrize(("n_chains", "concurrency"), [(1, "1"), (5, "1"), (5, "3"), (7, "32")])
def test_follow_up_requests(n_chains: int, concurrency: str) -> None:
    with Server(rates={"500": 0.1}) as server:
        chains = Chains(n_chains, 6)
        seen = []
        for response in connect(server, concurrency=concurrency).generate(chains):
            seen.append(response.id)
            chains.answered(response)
    assert sorted(seen) == sorted(f"{c}.{s}" for c in range(n_chains) for s in range(6))
    assert server.peak <= int(concurrency)
    for chain in range(n_chains):  # a chain's steps come in their order
        assert [name for name in seen if name.startswith(f"{chain}.")] == [f"{chain}.{s}" for s in range(6)]


def test_chains_proceed_side_by_side() -> None:
    with Server(latency=0.1) as server:
        chains = Chains(20, 3)
        started = time.monotonic()
        for response in connect(server).generate(chains):
            chains.answered(response)
        assert time.monotonic() - started < 3  # half of what they would take one after the other
    assert server.peak == 20


def test_each_is_delivered_once_whatever_fails() -> None:
    rates = {"429:0.01": 0.1, "503": 0.1, "reset": 0.1, "close": 0.05, "truncated": 0.1, "garbage": 0.1}
    with Server(rates=rates) as server:
        got = [r.id for r in connect(server, concurrency="16", max_retries="30").generate(request(str(i)) for i in range(300))]
    assert sorted(got) == sorted(str(i) for i in range(300))
    assert set(server.answered.values()) == {1}


def test_equal_requests_are_told_apart() -> None:
    with Server() as server:
        twins = [Request(str(i), (Message("user", "the same"),), 16) for i in range(10)]
        assert sorted(r.id for r in connect(server).generate(twins)) == sorted(t.id for t in twins)


def test_an_answer_comes_before_the_source_has_more() -> None:
    """The first answer is seen while the source still blocks."""
    release = threading.Event()

    def source() -> Iterator[Request]:
        yield request("a")
        assert release.wait(10)
        yield request("b")

    with Server() as server:
        responses = connect(server).generate(source())
        assert next(responses).id == "a"
        release.set()
        assert [r.id for r in responses] == ["b"]


def test_the_source_is_read_no_faster_than_calls_end() -> None:
    pulled = 0

    def source() -> Iterator[Request]:
        nonlocal pulled
        for i in range(100):
            pulled += 1
            yield request(str(i))

    with Server(latency=0.05) as server:
        most = 0
        for n, _ in enumerate(connect(server, concurrency="4").generate(source())):
            most = max(most, pulled - n)
    assert server.peak == 4
    assert pulled == 100
    assert most <= 12


def test_a_slow_consumer_is_waited_for() -> None:
    """Answers that wait for the consumer count as calls under way, so that they are as few as those when all is lost."""
    with Server() as server:
        for stored, _ in enumerate(connect(server, concurrency="4").generate(request(str(i)) for i in range(40))):
            time.sleep(0.02)
            assert server.requests.total() <= stored + 4
    assert server.requests.total() == 40


def test_a_kill_loses_at_most_the_calls_in_flight(tmp_path: Path) -> None:
    """Storing is slower than the server, as on a disk of a network: what has come and is not stored is lost with the process."""
    stored = tmp_path / "stored"
    with Server() as server:
        code = (
            "import time\n"
            "from ehrbench.models.loading import load_model\n"
            "from ehrbench.models.protocol import Request, Message\n"
            f"model = load_model('openai:stub', {{'base_url': {server.url!r}, 'concurrency': '8'}}, None)\n"
            f"with open({str(stored)!r}, 'w', buffering=1) as file:\n"
            "    for answer in model.generate(Request(str(i), (Message('user', f'q{i}'),), 9) for i in range(1000)):\n"
            "        time.sleep(0.02)\n"
            "        print(answer.id, file=file)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            deadline = time.monotonic() + 20
            while server.requests.total() < 25 and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
        lost = server.requests.total() - len(stored.read_text().splitlines())
        assert server.requests.total() >= 25
        assert 0 <= lost <= 8


def test_no_request_no_call() -> None:
    with Server() as server:
        assert list(connect(server).generate([])) == []
    assert server.connections == 0


def test_a_source_that_raises_ends_the_stream() -> None:
    def source() -> Iterator[Request]:
        yield request("a")
        raise KeyError("the engine's own fault")

    with Server() as server, pytest.raises(KeyError, match="own fault"):
        list(connect(server).generate(source()))


def test_a_consumer_that_leaves_cancels_what_is_under_way() -> None:
    with Server(latency=0.2) as server:
        responses = connect(server, concurrency="4").generate(request(str(i)) for i in range(1000))
        next(responses)
        responses.close()  # type: ignore[attr-defined]
        time.sleep(0.5)
        asked = server.requests.total()
        time.sleep(0.3)
        assert server.requests.total() == asked <= 12


def test_a_model_can_be_used_again_and_after_closing() -> None:
    with Server() as server:
        model = connect(server)
        first = [r.text for r in model.generate([request("a")])]
        assert [r.text for r in model.generate([request("a")])] == first
        assert server.connections == 1
        model.close()
        assert [r.text for r in model.generate([request("a")])] == first
        model.close()
        model.close()


def test_connections_are_pooled() -> None:
    with Server() as server:
        list(connect(server, concurrency="4").generate(request(str(i)) for i in range(200)))
    assert server.connections <= 4


def test_large_prompts_go_through() -> None:
    with Server() as server:
        text = "x" * (3 << 20)
        (response,) = connect(server).generate([Request("a", (Message("user", text),), 16)])
    assert response.finish == "stop"
    assert server.bytes_in > 3 << 20


def test_text_that_utf8_cannot_hold() -> None:
    with Server() as server:
        (response,) = connect(server).generate([Request("a", (Message("user", "half \ud83d pair"),), 16)])
    assert response.finish == "stop"
    assert server.bodies[0]["messages"][0]["content"] == "half \ud83d pair"


def test_ctrl_c_ends_a_run_that_waits(tmp_path: Path) -> None:
    with Server(script=["hang"] * 9) as server:
        code = (
            "from ehrbench.models.loading import load_model\n"
            "from ehrbench.models.protocol import Request, Message\n"
            f"model = load_model('openai:stub', {{'base_url': {server.url!r}}}, None)\n"
            "try:\n"
            "    list(model.generate(Request(str(i), (Message('user', f'q{i}'),), 9) for i in range(3)))\n"
            "except KeyboardInterrupt:\n"
            "    model.close(); raise SystemExit(130)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 20
            while server.requests.total() < 3 and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert err == ""
