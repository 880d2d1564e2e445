"""Eight scenarios for ehrbench and the harnesses beside it, in one run against one loopback stub.

    python -m benchmarks.overhead --n 500 --lm-eval PYTHON --inspect PYTHON

PYTHON is the interpreter of an environment that has the harness; one that is not given is left out. Every harness keeps its log
and its cache, each at its own defaults, so that a killed run can be gone on with.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.overhead.harnesses import CONCURRENCY, ROOT, Harness, chosen

MOST_SECONDS = 60
POISON = "Question 7:"


class Scenario(NamedTuple):
    name: str
    server: tuple[str, ...] = ()
    characters: int = 300
    kill: bool = False
    share: float = 1.0
    """Of ``--n``."""


SCENARIOS = (
    Scenario("short, instant"),
    Scenario("64 in flight, 200 ms", ("--latency", "0.2")),
    Scenario("200 kB prompts", characters=200_000, share=0.2),
    Scenario("30 % 429", ("--rate", "429:0.1=0.3")),
    Scenario("one poisoned item", ("--poison", POISON)),
    Scenario("SIGKILL at half, again", ("--latency", "0.05"), kill=True),
    Scenario("null content", ("--rate", "null=1.0"), share=0.2),
)


class Measured(NamedTuple):
    cpu: float
    wall: float
    code: str
    repeated: int
    scored: int | None


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
        rows = ({"id": str(i), "question": f"Question {i}: {filler}", "answer": "gold"} for i in range(n))
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        harness.write(folder, data)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = harness.command(folder, url)
        if scenario.kill:
            run(command, folder, kill_at=n // 2, url=url)
        code = run(command, folder)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        answered = stats(url)["answered"]
        assert isinstance(answered, dict)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(cpu, wall, code, sum(times - 1 for times in answered.values()), harness.scored(folder))


def run(command: list[str], folder: Path, kill_at: int | None = None, url: str = "") -> str:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + MOST_SECONDS
        while process.poll() is None and time.monotonic() < end:
            if kill_at is not None and int(str(stats(url)["calls"])) >= kill_at:
                break
            time.sleep(0.01 if kill_at is not None else 0.05)
        done = process.poll() is not None
        if not done:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    if os.environ.get("OVERHEAD_LOG") and code:
        print((folder / "log").read_text()[-2000:], file=sys.stderr)
    return str(code) if done else "killed" if kill_at is not None else f"none in {MOST_SECONDS} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=2000, help="items")
    parser.add_argument("--lm-eval", help="interpreter with lm-eval")
    parser.add_argument("--inspect", help="interpreter with inspect-ai and openai")
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    given = parser.parse_args()
    harnesses = chosen(given.lm_eval, given.inspect)
    print(f"{given.n} items, at most {CONCURRENCY} in flight\n")
    print("ms an item: CPU, beyond a run of one item. Repeated: answered calls that were asked again. Scored: the denominator.\n")
    print("| scenario | harness | items | CPU s | ms an item | wall s | exit | repeated | scored |")
    print("|---|---|---|---|---|---|---|---|---|")
    one = {}
    for harness in harnesses:
        cpu, wall = started(harness)
        print(f"| `--help` | {harness.name} | | {cpu:.2f} | | {wall:.2f} | | | |", flush=True)
        one[harness.name] = measure(harness, Scenario("one item"), 1)
        print(f"| one item | {harness.name} | 1 | {line(one[harness.name], 1, None)}", flush=True)
    for scenario in SCENARIOS:
        if given.only not in scenario.name:
            continue
        n = max(10, int(given.n * scenario.share))
        for harness in harnesses:
            got = measure(harness, scenario, n)
            print(f"| {scenario.name} | {harness.name} | {n} | {line(got, n, one[harness.name])}", flush=True)


def line(got: Measured, n: int, one: Measured | None) -> str:
    slope = f"{1000 * (got.cpu - one.cpu) / (n - 1):.2f}" if one else ""
    scored = "none" if got.scored is None else str(got.scored)
    return f"{got.cpu:.2f} | {slope} | {got.wall:.1f} | {got.code} | {got.repeated} | {scored} |"


def started(harness: Harness) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as place:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run(harness.start, Path(place))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


if __name__ == "__main__":
    main()
