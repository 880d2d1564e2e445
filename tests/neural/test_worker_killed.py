"""The metrics' worker killed while it scores: the other metrics stand, nothing is lost, and the same command mends the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.chart import CANARIES, command, ehrbench, environment, final_files, run_folders, write_release
from tests.neural.stand_in import make_checkpoint, make_environment


def _scorers(marks: Path) -> list[int]:
    return [int(path.name) for path in marks.iterdir() if path.name.isdigit()]


def _runs(pid: int) -> bool:
    """Whether a process is there and more than an entry that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_killed_while_scoring_costs_its_metric_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("EHRBENCH_COMET_ENVIRONMENT", str(make_environment(tmp_path / "metrics", marks)))
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    data = write_release(tmp_path / "data", entries=3)

    def arguments(out: Path) -> tuple[object, ...]:
        asked = ("--metrics", "rouge_l,comet", "--metric-arg", f"comet.checkpoint={checkpoint}")
        return ("run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", data, "--out", out, *asked)

    whole = ehrbench(*arguments(tmp_path / "whole"), home=tmp_path / "home")
    assert whole.returncode == 0, whole.stderr
    before = _scorers(marks)

    (marks / "hang").touch()
    log = tmp_path / "log"
    killed = subprocess.Popen(
        command(*arguments(tmp_path / "killed"), "--verbose", "--log-file", log),
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while killed.poll() is None and len(_scorers(marks)) == len(before):
        time.sleep(0.01)
    assert killed.poll() is None, "the worker was scoring"
    (worker,) = set(_scorers(marks)) - set(before)
    os.kill(worker, signal.SIGKILL)
    printed, errors = killed.communicate(timeout=60)
    assert killed.returncode == 5, errors
    assert "the metrics' worker was killed by SIGKILL while scoring with 'comet'" in errors
    assert "score again" in errors
    assert not [canary for canary in CANARIES if canary in printed + errors + log.read_text()]
    (folder,) = run_folders(tmp_path / "killed")
    assert not [canary for canary in CANARIES if canary in (folder / "result.json").read_text()]
    assert {row["metric"] for row in final_files(folder)["private/scores.jsonl"]} == {"rouge_l"}

    (marks / "hang").unlink()
    again = ehrbench(*arguments(tmp_path / "killed"), home=tmp_path / "home")
    assert again.returncode == 0, again.stderr
    (one,) = run_folders(tmp_path / "whole")
    assert final_files(one) == final_files(folder)


def test_no_worker_outlives_the_command_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "hang").touch()
    monkeypatch.setenv("EHRBENCH_COMET_ENVIRONMENT", str(make_environment(tmp_path / "metrics", marks)))
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    process = subprocess.Popen(
        command(
            *("run", "--model", "baseline:bm25", "--tasks", "medalign", "--out", tmp_path / "out", "--metrics", "comet"),
            *("--data-dir", write_release(tmp_path / "data", entries=3), "--metric-arg", f"comet.checkpoint={checkpoint}"),
        ),
        env=environment(tmp_path / "home"),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None and not _scorers(marks):
        time.sleep(0.01)
    (worker,) = _scorers(marks)
    process.kill()
    process.wait()
    (marks / "hang").unlink()  # the library comes back, and finds nobody to answer
    until = time.monotonic() + 60
    while _runs(worker):
        assert time.monotonic() < until, "a worker without anyone to score for is still there"
        time.sleep(0.01)
