"""Hours of a dry run, from what was measured or a rate that is given; and a status that refreshes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ehrbench import Study
from ehrbench.models.protocol import Request, Response
from ehrbench.runs.dry_run import Estimate
from ehrbench.studies import running
from ehrbench.studies.pace import FILE, Pace, measured, seconds_of
from tests.acceptance.chart import command, environment, rows
from tests.acceptance.chart import ehrbench as run_command
from tests.support.scripted import ScriptedModel
from tests.support.server import Server

STUDY = """
study: paced
data_dir: sample
models: {{stub: {{model: "openai:stub", args: {{base_url: "{url}", concurrency: 2}}}}, bm25: baseline:bm25}}
settings: {{budget_tokenizer: words, max_model_len: 2048, limit: 4}}
questions:
  q: {{tasks: medalign, metrics: rouge_l}}
report: {{leaderboard: false}}
"""


def size(**changes: Any) -> Estimate:
    return Estimate("t", 4, 10, 1000, 100, 500, 0, 0, 0, "words", None)._replace(**changes)


def test_a_pace_is_of_prompt_and_answer_together_and_answers_are_as_long_as_they_were() -> None:
    pace = Pace(calls=5, prompt_tokens=900, answer_tokens=100, seconds=10.0)
    assert pace.tokens_per_second == 100
    assert pace.seconds_for(size()) == pytest.approx((1000 + 10 * 20) / 100)
    assert pace.seconds_for(size(answer_tokens=50)) == pytest.approx((1000 + 50) / 100), "no longer than they may be"
    assert Pace(calls=5, answer_tokens=100, seconds=10.0).seconds_for(size()) == 20.0, "prompts not counted: by calls"


def test_what_is_not_known_is_not_guessed() -> None:
    study_cells: list[Any] = [
        (type("Cell", (), {"model": name}), one) for name, one in (("a", size()), ("b", size()), ("a", "no data"))
    ]
    paces = {"a": Pace(5, 900, 100, 10.0)}
    assert seconds_of(study_cells, paces) == [pytest.approx(12.0), None, None]
    assert seconds_of(study_cells, paces, 150.0) == [10.0, 10.0, None]


def test_a_dry_run_says_hours_from_what_was_measured_here(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    with Server(answer=lambda body: "yes", latency=0.1) as server:
        file.write_text(STUDY.format(url=server.url))
        before = run_command("study", "run", file, "--dry-run", home=tmp_path / "home")
        assert "hours unknown; no cell of stub, bm25 has been run here yet, so give --tokens-per-second" in before.stdout
        given = run_command("study", "run", file, "--dry-run", "--tokens-per-second", 1000, "--json", home=tmp_path / "home")
        plain = json.loads(given.stdout)
        tokens = sum(cell["estimate"]["prompt_tokens"] + cell["estimate"]["answer_tokens"] for cell in plain["cells"])
        assert plain["total"]["hours"] == pytest.approx(tokens / 1000 / 3600)
        assert not (tmp_path / "paced").exists()
        study = Study.load(file)
        study.run()
        pace = measured(study)["stub"]
        assert (pace.calls, 0.2 <= pace.seconds < 60) == (4, True), "two at a time, 0.1 s each"
        after = run_command("study", "run", file, "--dry-run", home=tmp_path / "home")
        assert re.search(r"about \d+\.\d\d hours, as fast as cells of this study were answered\n", after.stdout), after.stdout
        assert study.run() and len(rows(study.out / FILE)) == 2, "a cell that is done is not measured again"
    alone = run_command("study", "run", file, "--tokens-per-second", 5)
    assert alone.returncode == 2 and "--tokens-per-second is for the hours of --dry-run" in alone.stderr


def test_each_call_of_a_chain_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Response:
        return Response(request.id, "yes", prompt_tokens=100, answer_tokens=10)

    monkeypatch.setattr(running, "load_model", lambda *_: ScriptedModel(answer))
    text = STUDY.format(url="http://127.0.0.1:9/v1")
    (tmp_path / "study.yaml").write_text(
        text.replace("limit: 4", "context: refine, limit: 4").replace(", bm25: baseline:bm25", "")
    )
    study = Study.load(tmp_path / "study.yaml")
    study.run()
    (row,) = rows(study.out / FILE)
    assert row["calls"] > 4 and row["prompt_tokens"] == 100 * row["calls"] and row["answer_tokens"] == 10 * row["calls"]


def test_status_shows_how_far_a_cell_is_and_watching_ends_with_the_study(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    with Server(answer=lambda body: "yes", latency=0.4) as server:
        file.write_text(STUDY.format(url=server.url).replace("concurrency: 2", "concurrency: 1"))
        process = subprocess.Popen(
            command("study", "run", file, "--quiet"), env=environment(tmp_path / "home"), stdout=subprocess.DEVNULL
        )
        watched = run_command("study", "status", file, "--watch", "--every", "0.1", home=tmp_path / "home")
        assert process.wait() == 0
    assert watched.returncode == 0
    assert re.search(r"stub, medalign, .*running, [0-3] of 4 items\n", watched.stdout), watched.stdout
    assert watched.stdout.rstrip().endswith(f"2 cells: 2 done; {tmp_path / 'paced'}")


def test_on_a_terminal_the_table_is_refreshed_in_place(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(url="http://127.0.0.1:9/v1").replace("stub", "far"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("study", "status", file, "--watch", "--every", "0.2"), stdout=theirs, env={**environment(), "TERM": "xterm"}
    )
    os.close(theirs)
    parts: list[bytes] = []

    def read() -> None:
        try:
            while block := os.read(ours, 4096):
                parts.append(block)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    deadline = time.monotonic() + 60
    while b"".join(parts).count(b"2 cells: 2 open") < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(2)
    assert process.wait(30) == 0, "Ctrl-C ends the watching alone"
    reader.join(10)
    assert b"".join(parts).count(b"2 cells: 2 open") >= 3 and b"\x1b[" in b"".join(parts)
