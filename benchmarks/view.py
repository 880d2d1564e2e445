"""Processor time that whole pages of ``ehrbench view`` take, and the memory of its server, on made-up runs of a given size.

python benchmarks/view.py --items 100000 --runs 6 --record-mb 5
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

WORDS = (
    "patient",
    "record",
    "dose",
    "daily",
    "since",
    "stopped",
    "because",
    "pain",
    "note",
    "visit",
    "result",
    "normal",
    "heart",
)


def make(folder: Path, items: int, runs: int, record_mb: float) -> None:
    """Questions, the first of them on one long record, and runs that answered them all."""
    from ehrbench.models.loading import load_model
    from ehrbench.runs.execute import generate
    from ehrbench.runs.folder import RunFolder
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.prepared import prepare
    from ehrbench.tasks.catalog import load_catalog

    rng = random.Random(0)
    data = folder / "data" / "many"
    data.mkdir(parents=True)

    def sentence(n: int) -> str:
        return " ".join(rng.choices(WORDS, k=n))

    n = max(1, int(record_mb * 1e6 / 330))
    entries = (f"20{10 + k * 10 // n:02}-{1 + k % 12:02}-{1 + k % 28:02} {sentence(60)}." for k in range(n))
    (data / "long.txt").write_text("\n\n".join(entries))
    with (data / "items.jsonl").open("w") as file:
        for k in range(items):
            row = {"id": f"q{k}", "question": sentence(12) + "?", "answer": sentence(8)}
            file.write(json.dumps({**row, "record_file": "long.txt"} if k == 0 else row) + "\n")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "many.yaml").write_text(
        "task: many\nversion: 1\ndata: {reader: jsonl, path: many, policy: open, options: {file: items.jsonl}}\n"
        "prompt: {user: '{{ question }}'}\ngeneration: {max_tokens: 8}\nanswer: [strip]\n"
        "metrics: [rouge_l, chrf_pp]\nprimary: rouge_l\n"
    )
    task = load_catalog([folder / "tasks"]).get("many")
    options = RunOptions(data_dir=str(folder / "data"), out=folder / "one", model="baseline:empty", limit=1)
    first, _ = generate(prepare(task, load_model("baseline:empty", {}, None), options), command="benchmark")
    manifest = json.loads(first.manifest.read_text())
    for k in range(runs):
        manifest["config"]["model"]["name"], manifest["config"]["limit"] = f"model-{k}", None
        manifest["config_hash"] = f"{k:064}"
        run = RunFolder(folder / "results" / f"model-{k}" / "many" / f"{k:016}")
        run.make()
        run.manifest.write_text(json.dumps(manifest))
        run.origin.write_text(first.origin.read_text())
        with run.predictions.open("w") as file, run.scores.open("w") as scores:
            for i in range(items):
                text = sentence(20)
                step = {"key": "0" * 64, "text": text, "finish": "stop", "prompt_tokens": 900, "answer_tokens": 20}
                file.write(json.dumps({"item": f"q{i}", "outcome": "answered", "answer": text, "steps": [step]}) + "\n")
                for metric in ("rouge_l", "chrf_pp"):
                    scores.write(json.dumps({"item": f"q{i}", "metric": metric, "score": rng.random()}) + "\n")


class Window:
    """A browser's requests without a browser."""

    def __init__(self, link: str, pid: int) -> None:
        self.pid = pid
        self.port = int(re.search(r":(\d+)/", link)[1])  # type: ignore[index]
        self.cookie = ""
        self.ask(link.partition(str(self.port))[2])

    def ask(self, path: str, body: str | None = None) -> float:
        """Processor seconds of the server until the whole answer is there; redirects are followed."""
        before = cpu(self.pid)
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            headers = {"Cookie": self.cookie, "Origin": f"http://127.0.0.1:{self.port}"}
            form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
            connection.request("POST" if body else "GET", path, body, headers | form)
            reply = connection.getresponse()
            reply.read()
            self.cookie = (reply.getheader("Set-Cookie") or self.cookie).partition(";")[0]
            if reply.status != 303:
                assert reply.status == 200, (path, reply.status)
                return cpu(self.pid) - before
            path, body = str(reply.getheader("Location")), None


def cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> tuple[int, int]:
    """MiB that a process holds now and held at most."""
    text = Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{key}:\s+(\d+)", text)[1]) // 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value, index]


def serve(folder: Path) -> tuple[subprocess.Popen[str], str, float]:
    """Start the command; gives its link, and the processor seconds until it was printed."""
    command = [sys.executable, "-m", "ehrbench", "view", str(folder / "results")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    link = process.stdout.readline().strip()
    return process, link, cpu(process.pid)


def main() -> None:
    """Make, serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--record-mb", type=float, default=5.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, given.items, given.runs, given.record_mb)
        process, _, indexed = serve(folder)
        _, at_most = memory(process.pid)
        process.terminate()
        process.wait()
        process, link, started = serve(folder)
        try:
            window = Window(link, process.pid)
            print(f"{given.items:,} items x {given.runs} runs, a record of {given.record_mb:g} MB\n")
            print(f"| start, the index made | {indexed:.1f} s |\n| start, the index there | {started:.1f} s |")
            print(f"| first page of the list | {window.ask('/0/'):.3f} s |")
            asked = {
                "sort by a score": "/0/?sort=s3&down=1",
                "sort by a difference": "/0/?sort=s1-s4&down=1",
                "sort by disagreement": "/0/?sort=d&down=1",
                "right in one, wrong in another": "/0/?better=1&worse=2",
                "the last page": f"/0/?page={given.items // 50 - 1}",
                "an item": f"/0/item/{given.items // 2}?at={given.items // 2 - 1}",
            }
            for what, path in asked.items():
                print(f"| {what} | {mean(window.ask(path) for _ in range(10)):.3f} s |")
            print(f"| search two words | {window.ask('/0/find', 'words=aspirin+dose+daily'):.3f} s |")
            print(f"| the item with the long record, first time | {window.ask('/0/item/1?at=0'):.3f} s |")
            print(f"| the same again | {mean(window.ask('/0/item/1?at=0') for _ in range(10)):.3f} s |")
            print(f"| a further page of that record | {window.ask('/0/item/1/record/page/100'):.3f} s |")
            now, most = memory(process.pid)
            print(f"| memory while the index is made, at most | {at_most} MiB |")
            print(f"| memory of the server, now and at most | {now} and {most} MiB |")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
