"""A transformers run killed in the middle: the same command asks for what is missing, once, and its logs hold no text."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.chart import CANARIES, command, ehrbench, environment, final_files, rows, run_folders, write_release
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.hf


def test_sigkill_while_generating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the model is tiny, and tests run side by side
    checkpoint = tiny_llama(tmp_path / "tiny", context=2048, eos_scale=1.5)
    data = write_release(tmp_path / "data", patients=2, questions=3, entries=3)

    def arguments(out: Path) -> tuple[object, ...]:
        asked = ("--metrics", "rouge_l", "--max-tokens", 16, "--model-arg", "batch_size=1", "--context", "truncate")
        given = ("--model", f"hf:{checkpoint}", "--tasks", "medalign", "--data-dir", data, "--out", out)
        return ("run", *given, *asked, "--verbose", "--log-file", out.with_suffix(".log"))

    whole = ehrbench(*arguments(tmp_path / "whole"), home=tmp_path / "home")
    assert whole.returncode == 0, whole.stderr
    (one,) = run_folders(tmp_path / "whole")
    asked = {row["item"] for row in rows(one / "private/predictions.jsonl")}
    assert len(asked) == 6

    killed = subprocess.Popen(
        command(*arguments(tmp_path / "killed")),
        env=environment(tmp_path / "home"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert killed.stderr is not None
    seen = ""
    while sum(item in seen for item in asked) < 2 and (line := killed.stderr.readline()):
        seen += line
    assert killed.poll() is None, "killed within the work"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (other,) = run_folders(tmp_path / "killed")
    stored = {row["item"] for row in rows(other / "private/predictions.jsonl")}
    assert 2 <= len(stored) < 6

    again = ehrbench(*arguments(tmp_path / "killed"), home=tmp_path / "home")
    assert again.returncode == 0, again.stderr
    assert {item for item in asked if item in again.stderr} == asked - stored, "what was stored is not asked again, all else is"
    assert final_files(one) == final_files(other)
    said = whole.stderr + whole.stdout + seen + again.stderr + again.stdout
    said += "".join((tmp_path / name).read_text() for name in ("whole.log", "killed.log"))
    assert not [canary for canary in CANARIES if canary in said]
