"""A study that is killed at random moments: its tables are those of the single commands."""

from __future__ import annotations

import csv
import json
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from ehrbench import Study, evaluate
from ehrbench.results.schema import MetricResult
from tests.acceptance.chart import command, ehrbench, environment
from tests.support.server import Server

KILLS = 5
RISK = "ehr_bench.risk.ED_Hospitalization"
FACTS = "meds_bench.fact_verification.pubmedqa"
STUDY = """
study: paper
data_dir: sample
models:
  stub: {{model: "openai:stub", args: {{base_url: "{url}", concurrency: 2}}}}
  bm25: baseline:bm25
  majority: baseline:majority
settings: {{limit: 2}}
questions:
  windows:
    tasks: medalign
    models: [stub, bm25]
    settings: {{budget_tokenizer: words}}
    grid:
      - {{context: truncate, max_model_len: [2048, 8192]}}
      - {{context: refine, max_model_len: 8192}}
    metrics: [rouge_l]
  facts: {{tasks: {facts}, models: [stub, bm25]}}
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


def single(out: Path, task: str, model: str, **options: Any) -> list[MetricResult]:
    """The metrics of one ordinary run."""
    return evaluate(model, task, data_dir="sample", limit=2, out=out, **options)[task].metrics


def test_killed_five_times_the_tables_are_those_of_the_single_commands(tmp_path: Path) -> None:
    draw = random.Random(17)
    file, home = tmp_path / "study.yaml", tmp_path / "home"
    # An answer takes far longer than the draw, so that a process is killed within its first calls, and the fifth still has some.
    with Server(answer=answer, latency=0.5) as server:
        file.write_text(STUDY.format(url=server.url, facts=FACTS, risk=RISK))
        for _ in range(KILLS):
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command("study", "run", file, "--quiet"), env=environment(home), **silent)
            begun = server.stats()["calls"]
            while process.poll() is None and server.stats()["calls"] == begun:
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
        Study.load(file).report()
        arguments = {"base_url": server.url, "concurrency": 2}
        expected: dict[tuple[Any, ...], list[MetricResult]] = {}
        for name, model, args in (("stub", "openai:stub", arguments), ("bm25", "baseline:bm25", {})):
            for context, window in (("truncate", 2048), ("truncate", 8192), ("refine", 8192)):
                how = {"context": context, "max_model_len": window, "budget_tokenizer": "words", "metrics": ["rouge_l"]}
                expected["windows", name, context, str(window)] = single(
                    tmp_path / "one", "medalign", model, model_args=args, **how
                )
            expected["facts", name, None, None] = single(tmp_path / "one", FACTS, model, model_args=args)
        expected["risk", "majority", None, None] = single(tmp_path / "one", RISK, "baseline:majority")
    found: dict[tuple[Any, ...], dict[str, dict[str, str]]] = {}
    for table in ("windows", "facts", "risk"):
        with (tmp_path / "paper" / "report" / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                key = (row["question"], row["model"], row.get("context"), row.get("max_model_len"))
                found.setdefault(key, {})[row["metric"]] = row
    for key, metrics in expected.items():
        valued = [metric for metric in metrics if metric.value is not None]
        assert valued
        for metric in valued:
            row = found[key][metric.name]
            shown = [float(row[name]) if row[name] else None for name in ("value", "low", "high", "n")]
            assert shown == [metric.value, metric.low, metric.high, metric.n], (key, metric.name)
    judged = (tmp_path / "paper" / "report" / "judge-referee.csv").read_text(encoding="utf-8")
    assert judged.count("\nreferee,bm25,medalign,stub,") >= 3, "each of the three settings"
