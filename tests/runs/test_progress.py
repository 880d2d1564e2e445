"""What is said while a run works: chunks as well as items, and nothing of any text in the log."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from ehrbench.cli.logs import start_logging
from ehrbench.errors import UsageError
from ehrbench.runs import progress as module
from ehrbench.runs.chains import ItemChain
from ehrbench.runs.prediction import Prediction, Step
from ehrbench.runs.progress import RunProgress
from tests.acceptance.chart import CANARIES, ehrbench, write_release
from tests.support.server import Server


def chain(steps: int, length: int) -> ItemChain:
    made = ItemChain.__new__(ItemChain)
    made.item = type("Named", (), {"id": "a"})()  # type: ignore[assignment]
    made.length, made.steps = length, [Step("k", "text", "stop")] * steps
    return made


def test_chunks_of_open_chains_count() -> None:
    with RunProgress("task", 4, quiet=True) as progress:
        progress.add_step(chain(1, 4))
        progress.add_step(chain(2, 4))
        assert "0/4 items, 2 chunks done" in progress.line()
        assert "s left" in progress.line()
        progress.add(Prediction("a", "answered", "x", [Step("k", "text", "stop")] * 4))
        assert "1/4 items, 3 chunks done" in progress.line()
        progress.add(Prediction("b", "overflow", None))
        assert "2/4 items, 3 chunks done, 1 overflow" in progress.line()


def test_a_line_comes_also_while_nothing_finishes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.02)
    with RunProgress("task", 4):
        deadline = time.monotonic() + 10
        while "task: 0/4 items" not in (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "task: 0/4 items" in said
    with RunProgress("task", 4, quiet=True):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_states_go_to_standard_error_and_attempts_to_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("ehrbench.any")
    path = tmp_path / "log"
    try:
        start_logging()
        log.info("not shown")
        log.warning("a warning")
        assert capsys.readouterr().err == "ehrbench: a warning\n"
        start_logging(verbose=True, log_file=path)
        log.info("an item")
        log.debug("an attempt")
        assert capsys.readouterr().err == "ehrbench: an item\n"
        assert [line.split(" ", 2)[2] for line in path.read_text().splitlines()] == ["INFO an item", "DEBUG an attempt"]
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(UsageError, match="cannot be written"):
            start_logging(log_file=tmp_path / "no" / "log")
    finally:
        start_logging()


def test_a_run_s_log_holds_ids_and_states_and_no_text(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=3)
    with Server(script=["503", "503"], poison="obelisk tangent 1") as server:
        finished = ehrbench(
            *("run", "--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--out", tmp_path / "out"),
            *("--metrics", "exact_match", "--budget-tokenizer", "words", "--quiet", "--verbose"),
            *("--log-file", tmp_path / "log", "--model-arg", f"base_url={server.url}", "--model-arg", "first_wait=0.05"),
            home=tmp_path / "home",
        )
    assert finished.returncode == 5, finished.stderr
    written = (tmp_path / "log").read_text()
    for said in (finished.stderr, written):
        assert "item 9000000000: answered, 1 calls" in said
        assert "item 9000000001: api_error (HTTP 400), 1 calls" in said
        assert not any(canary in said for canary in CANARIES)
    assert "HTTP 503, attempt 1" in written
