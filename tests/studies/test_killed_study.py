"""A study that is killed at random moments: its tables are those of the single commands."""

from __future__ import annotations

import csv
import json
import random
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ehrbench import Study, evaluate
from ehrbench.results.schema import MetricResult
from tests.acceptance.chart import command, ehrbench, environment
from tests.support.server import Server

KILLS = 5
RISK = "ehr_bench.risk"
WINDOWS = (("truncate", 2048), ("truncate", 8192), ("truncate", 32768), ("refine", 8192))
FACTS = "meds_bench.fact_verification.pubmedqa"
STUDY = """
study: paper
data_dir: sample
models:
  stub: {{model: "openai:stub", args: {{base_url: "{url}", concurrency: 2}}}}
  bm25: baseline:bm25
  newest: baseline:newest
  majority: baseline:majority
settings: {{limit: 2}}
questions:
  windows:
    tasks: medalign
    models: [stub, bm25, newest]
    settings: {{budget_tokenizer: words}}
    grid:
      - {{context: truncate, max_model_len: [2048, 8192, 32768]}}
      - {{context: refine, max_model_len: 8192}}
    metrics: [rouge_l]
  facts: {{tasks: {facts}, models: [stub, bm25, newest]}}
  risk: {{tasks: {risk}, models: majority}}
judges:
  referee: {{model: "openai:referee", args: {{base_url: "{url}"}}, reference: bm25, questions: windows}}
report: {{leaderboard: false}}
"""


def answer(body: dict[str, Any]) -> str:
    """A referee's verdict; else something of the question's own."""
    text = body["messages"][-1]["content"]
    if "[Assistant 1 Answer]" in text:
        return "7 5\nBecause."
    return " ".join(re.findall(r"\w+", text)[-12:])


def single(out: Path, task: str, model: str, **options: Any) -> tuple[list[MetricResult], Path]:
    """The metrics and the folder of one ordinary run."""
    found = evaluate(model, task, data_dir="sample", limit=2, out=out, **options)
    return found[task].metrics, found.folders()[0]


def test_killed_five_times_the_tables_are_those_of_the_single_commands(tmp_path: Path) -> None:
    draw = random.Random(17)
    file, home = tmp_path / "study.yaml", tmp_path / "home"
    # An answer takes longer than the draw, so that a process is killed within its first calls, and the fifth still has some.
    with Server(answer=answer, latency=0.5) as server:
        file.write_text(STUDY.format(url=server.url, facts=FACTS, risk=RISK))
        for _ in range(KILLS):
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command("study", "run", file, "--quiet"), env=environment(home), **silent)
            wanted = server.stats()["calls"] + draw.randint(1, 3)  # so that chains of refinement are cut, too
            while process.poll() is None and server.stats()["calls"] < wanted:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.4))
            assert process.poll() is None, "the study is long enough to be killed five times"
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert "interrupted" in {one.state for one in Study.load(file).status()}
    with Server(answer=answer, port=server.port) as server:
        last = ehrbench("study", "run", file, "--quiet", "--json", home=home)
        assert last.returncode == 0, last.stderr
        assert {one["state"] for one in json.loads(last.stdout)["cells"]} == {"done"}
        calls = server.stats()["calls"]
        assert {one.state for one in Study.load(file).run()} == {"done"}
        assert server.stats()["calls"] == calls, "what is done is not asked again"
        report = Study.load(file).report()
        assert Counter(path.suffix for path in report.files)[".svg"] >= 3, "windows, facts and a figure for each risk"
        other = Study.load(file, out=tmp_path / "whole")
        assert {one.state for one in other.run()} == {"done"}
        other.report()
        arguments = {"base_url": server.url, "concurrency": 2}
        expected: dict[tuple[Any, ...], list[MetricResult]] = {}
        folders: dict[tuple[Any, ...], Path] = {}
        three = (("stub", "openai:stub", arguments), ("bm25", "baseline:bm25", {}), ("newest", "baseline:newest", {}))
        for name, model, args in three:
            for context, window in WINDOWS:
                how = {"context": context, "max_model_len": window, "budget_tokenizer": "words", "metrics": ["rouge_l"]}
                place = ("windows", name, context, str(window))
                expected[place], folders[place[1:]] = single(tmp_path / "one", "medalign", model, model_args=args, **how)
            expected["facts", name, None, None], _ = single(tmp_path / "one", FACTS, model, model_args=args)
        risks = evaluate("baseline:majority", RISK, data_dir="sample", limit=2, out=tmp_path / "one")
        for result in risks:
            expected[result.task, "majority", None, None] = result.metrics
        pair = [folders[name, "refine", "8192"] for name in ("stub", "bm25")]
        asked = ["--judge", "openai:referee", "--judge-arg", f"base_url={server.url}", "--reference", pair[1], "--json"]
        alone = ehrbench("judge", pair[0], *asked, "--out", tmp_path / "one", home=home)
        assert alone.returncode == 0, alone.stderr
        verdict = json.loads(alone.stdout)["results"][0]
    found: dict[tuple[Any, ...], dict[str, dict[str, str]]] = {}
    for table in ("windows", "facts", "risk"):
        with (tmp_path / "paper" / "report" / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                place = row["task"] if table == "risk" else row["question"]
                key = (place, row["model"], row.get("context"), row.get("max_model_len"))
                found.setdefault(key, {})[row["metric"]] = row
    for key, metrics in expected.items():
        valued = [metric for metric in metrics if metric.value is not None]
        assert valued
        for metric in valued:
            row = found[key][metric.name]
            shown = [float(row[name]) if row[name] else None for name in ("value", "low", "high", "n")]
            assert shown == [metric.value, metric.low, metric.high, metric.n], (key, metric.name)
    judged = (tmp_path / "paper" / "report" / "judge-referee.csv").read_text(encoding="utf-8")
    assert judged.count("\nreferee,bm25,medalign,stub,") >= len(WINDOWS), "each of the settings"
    value = next(metric["value"] for metric in verdict["metrics"] if metric["name"] == verdict["primary"])
    rows = [row for row in csv.DictReader(judged.splitlines()) if row["model"] == "stub" and "context refine" in row["settings"]]
    assert value is not None and [float(row["value"]) for row in rows if row["primary"] == "True"] == [value]
    (average,) = [group for group in risks.groups if group.group == RISK]
    with (tmp_path / "paper" / "report" / "risk-groups.csv").open(encoding="utf-8", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert float(row["value"]) == average.scores[0].value and int(row["tasks"]) == average.n_tasks
    figures = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "paper" / "report").glob("*.svg")}
    for stem, key in (("windows", "rouge_l"), ("facts", "accuracy")):
        drawn = Counter(re.findall(r"<title>[^<]*: (-?[0-9.]+)</title>", figures[stem]))
        own = [metric for place, metrics in expected.items() if place[0] == stem for metric in metrics]
        assert drawn and drawn == Counter(f"{metric.value:.4f}" for metric in own if key in metric.name), stem
    for path in (tmp_path / "whole" / "report").iterdir():
        if path.suffix != ".html":
            assert path.read_bytes() == (tmp_path / "paper" / "report" / path.name).read_bytes(), path.name
