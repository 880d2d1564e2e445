"""Twelve scenarios for ehrbench and the harnesses beside it, in one run against one loopback stub.

    python -m benchmarks.overhead --lm-eval PYTHON --inspect PYTHON

PYTHON is the interpreter of an environment that has the harness (``lm-eval[api]``; ``inspect-ai`` and ``openai``); one that is
not given is left out. Every harness keeps its log and its cache, each at its own defaults, so that a killed run can be gone on
with. Rounds are interleaved.

A scenario is passed where the command ends well and all its items are in the score's denominator; after a kill, where no more
than the calls in flight were asked again. With a poisoned item or null contents it is passed where the exit code says that not
all is well, and the score is of the items that were answered and of no others; of none at all there need be no score. A server
that is restarted or loads must cost no item, one that counts only uncached tokens no answer, and a body of a gigabyte only its
own item and 600 MB of memory at most.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.overhead.harnesses import CONCURRENCY, ROOT, Harness, chosen

MOST_SECONDS = 180
POISON = "Question 7:"


class Measured(NamedTuple):
    cpu: float
    wall: float
    code: str
    repeated: int
    scored: int | None
    megabytes: int
    """The most that the command held in memory."""


Check = Callable[[Measured, int], bool]


def scores_all(got: Measured, n: int) -> bool:
    return got.code == "0" and got.scored == n


class Scenario(NamedTuple):
    name: str
    server: tuple[str, ...] = ()
    characters: int = 300
    shared: bool = False
    """The prompts begin alike and differ at their end."""
    kill: bool = False
    share: float = 1.0
    """Of ``--n``."""
    latency: float = 0.0
    """Seconds a call, where the scenario is about waiting."""
    passes: Check = scores_all


ONE_ITEM = Scenario("one item")
SCENARIOS = (
    Scenario("short, instant"),
    Scenario("64 in flight, 200 ms", ("--latency", "0.2"), latency=0.2),
    Scenario("200 kB prompts", characters=200_000, share=0.2),
    Scenario("30 % 429", ("--rate", "429:0.1=0.3")),
    Scenario("one poisoned item", ("--poison", POISON), passes=lambda got, n: got.code != "0" and got.scored == n - 1),
    Scenario(
        "SIGKILL at half, again",
        ("--latency", "0.05"),
        kill=True,
        passes=lambda got, n: scores_all(got, n) and got.repeated <= CONCURRENCY,
    ),
    Scenario("null content", ("--rate", "null=1.0"), share=0.2, passes=lambda got, n: got.code != "0" and not got.scored),
    Scenario("gone for 10 s and back", ("--latency", "0.05", "--outage", "200:10")),
    Scenario("loading for 20 s", ("--loading", "20")),
    Scenario(
        "bomb of 1 GB, one in 100",
        ("--rate", "bomb=0.01"),
        share=0.2,
        passes=lambda got, n: got.code != "0" and got.scored is not None and 0.9 * n < got.scored < n and got.megabytes < 600,
    ),
    Scenario("uncached tokens counted", ("--uncached",), characters=5_000, shared=True),
)


@contextlib.contextmanager
def stub(options: tuple[str, ...]) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.support.server", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def stats(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as page:
        counted: dict[str, object] = json.load(page)
        return counted


def environment(folder: Path) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    own = {
        "HF_HOME": str(folder / "hf"),
        "EHRBENCH_HOME": str(folder / "home"),
        "OPENAI_API_KEY": "none",
        "PYTHONPATH": str(ROOT),
    }
    return {**os.environ, **offline, **own}


def measure(harness: Harness, scenario: Scenario, n: int) -> Measured:
    with tempfile.TemporaryDirectory() as place, stub(scenario.server) as url:
        folder = Path(place)
        data = folder / "questions" / "items.jsonl"
        data.parent.mkdir()
        filler = "word " * (scenario.characters // 5)
        parts = (filler, "Question {}:") if scenario.shared else ("Question {}:", filler)
        rows = ({"id": str(i), "question": " ".join(parts).format(i), "answer": "gold"} for i in range(n))
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        harness.write(folder, data)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = harness.command(folder, url)
        if scenario.kill:
            run(command, folder, kill_at=n // 2, url=url)
        code, most = run(command, folder)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        answered = stats(url)["answered"]
        assert isinstance(answered, dict)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(cpu, wall, code, sum(times - 1 for times in answered.values()), harness.scored(folder), most)


def run(command: list[str], folder: Path, kill_at: int | None = None, url: str = "") -> tuple[str, int]:
    """How a command ended, and the most megabytes that its first process held."""
    most = 0
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + MOST_SECONDS
        while process.poll() is None and time.monotonic() < end:
            most = max(most, held(process.pid))
            if kill_at is not None and int(str(stats(url)["calls"])) >= kill_at:
                break
            time.sleep(0.01 if kill_at is not None else 0.05)
        done = process.poll() is not None
        if not done:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    if os.environ.get("OVERHEAD_LOG") and code:
        print((folder / "log").read_text()[-2000:], file=sys.stderr)
    return (str(code) if done else "killed" if kill_at is not None else f"none in {MOST_SECONDS} s"), most


def held(process: int) -> int:
    """The most megabytes that a process has held so far; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) >> 10
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=2000, help="items")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lm-eval", help="interpreter with lm-eval")
    parser.add_argument("--inspect", help="interpreter with inspect-ai and openai")
    parser.add_argument("--openai", action="store_true", help="also ours with client=openai, in this environment")
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    given = parser.parse_args()
    harnesses = chosen(given.lm_eval, given.inspect, given.openai)
    scenarios = [ONE_ITEM, *(scenario for scenario in SCENARIOS if given.only in scenario.name)]
    helps: dict[str, list[float]] = {harness.name: [] for harness in harnesses}
    results: dict[tuple[str, str], list[Measured]] = {}
    for round_ in range(given.rounds):
        for harness in harnesses:
            helps[harness.name].append(started(harness))
        for scenario in scenarios:
            for harness in harnesses:
                print(f"\rround {round_ + 1}: {scenario.name}, {harness.name:40}", end="", file=sys.stderr, flush=True)
                results.setdefault((scenario.name, harness.name), []).append(measure(harness, scenario, items(scenario, given.n)))
    print(f"\n\n{given.n} items, at most {CONCURRENCY} in flight, median of {given.rounds} rounds\n")
    print("| scenario | harness | items | CPU s | ms per item | wall s | of the ideal | MB | exit | repeated | scored | passes |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, seconds in helps.items():
        print(f"| `--help` | {name} | | | | {statistics.median(seconds):.2f} | | | | | | |")
    for scenario in scenarios:
        for harness in harnesses:
            one = results[ONE_ITEM.name, harness.name]
            print(row(scenario, harness.name, items(scenario, given.n), results[scenario.name, harness.name], one))


def items(scenario: Scenario, n: int) -> int:
    return 1 if scenario is ONE_ITEM else max(10, int(n * scenario.share))


def row(scenario: Scenario, harness: str, n: int, got: list[Measured], one: list[Measured]) -> str:
    """A line of the table: times are medians, everything that is counted is shown for every round where the rounds differ."""
    cpu, wall = median(got, "cpu"), median(got, "wall")
    slope = f"{1000 * (cpu - median(one, 'cpu')) / (n - 1):.2f}" if n > 1 else ""
    ideal = scenario.latency * math.ceil(n / CONCURRENCY)
    share = f"{100 * ideal / (wall - median(one, 'wall')):.0f} %" if ideal else ""
    counted = (each([measured.code for measured in got]), each([measured.repeated for measured in got]))
    scored = each(["none" if measured.scored is None else measured.scored for measured in got])
    passes = "yes" if all(scenario.passes(measured, n) for measured in got) else "no"
    times = f"{cpu:.2f} | {slope} | {wall:.2f} | {share} | {median(got, 'megabytes'):.0f}"
    return f"| {scenario.name} | {harness} | {n} | {times} | {' | '.join(counted)} | {scored} | {passes} |"


def median(got: list[Measured], field: str) -> float:
    return statistics.median(getattr(measured, field) for measured in got)


def each(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in (values[:1] if len(set(values)) == 1 else values))


def started(harness: Harness) -> float:
    """Seconds until a harness has shown its help."""
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        run(harness.start, Path(place))
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
