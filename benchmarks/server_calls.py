"""What a call of a server costs: CPU time a call, and wall time against the ideal, on a loopback stub in another process.

    python -m benchmarks.server_calls [--client openai]

The median of ``--rounds`` rounds is printed. The stub's counters are checked, so a round that failed in silence cannot look fast.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from typing import NamedTuple

from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Request


class Scenario(NamedTuple):
    name: str
    latency_s: float
    in_flight: int
    calls: int
    characters: int


SCENARIOS = (
    Scenario("short chats, instant, 16 in flight", 0.0, 16, 2000, 600),
    Scenario("short chats, instant, 64 in flight", 0.0, 64, 2000, 600),
    Scenario("short chats, 200 ms, 64 in flight", 0.2, 64, 2000, 600),
    Scenario("200 kB prompts, instant, 16 in flight", 0.0, 16, 300, 200_000),
)


def measure(scenario: Scenario, client: str) -> tuple[float, float]:
    """CPU seconds a call (this process), and wall seconds of all calls."""
    command = [sys.executable, "-m", "tests.support.server", "--latency", str(scenario.latency_s)]
    stub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert stub.stdout is not None
    try:
        url = stub.stdout.readline().strip()
        model = load_model("openai:stub", {"base_url": url, "concurrency": str(scenario.in_flight), "client": client}, None)
        filler = "x" * scenario.characters
        list(model.generate(Request(f"w{i}", (Message("user", "warm"),), 16) for i in range(scenario.in_flight)))
        requests = (Request(str(i), (Message("user", f"{i} {filler}"),), 16) for i in range(scenario.calls))
        cpu, wall = time.process_time(), time.perf_counter()
        answered = {response.id for response in model.generate(requests) if response.finish == "stop"}
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        model.close()
        with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as page:
            stats = json.load(page)
        assert len(answered) == scenario.calls, "not every call was answered"
        assert stats["calls"] == scenario.calls + scenario.in_flight, "calls were repeated"
        return cpu / scenario.calls, wall
    finally:
        stub.kill()
        stub.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", default="ehrbench", help="ehrbench or openai")
    given = parser.parse_args()
    rounds = given.rounds
    for scenario in SCENARIOS:
        pairs = [measure(scenario, given.client) for _ in range(rounds)]
        cpu, wall = (statistics.median(column) for column in zip(*pairs, strict=True))
        line = f"{scenario.name}: {1000 * cpu:.2f} ms CPU a call, {scenario.calls / wall:.0f} calls/s"
        if ideal := -(-scenario.calls // scenario.in_flight) * scenario.latency_s:
            line += f", {100 * ideal / wall:.1f} % of the ideal"
        print(line)


if __name__ == "__main__":
    main()
