"""What is said while a run works: chunks as well as items, and nothing of any text in the log."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from ehrbench.cli.logs import start_logging
from ehrbench.errors import UsageError
from ehrbench.runs.events import (
    ChunkFinished,
    ItemFinished,
    MetricFailed,
    MetricProgress,
    Note,
    TaskAnswered,
    TaskFinished,
    TaskLeftOut,
    TaskStarted,
)
from ehrbench.runs.prediction import Prediction, Step
from ehrbench.terminal import progress as module
from ehrbench.terminal.progress import Display, Tally
from tests.acceptance.chart import CANARIES, ehrbench, write_release
from tests.support.server import Server


def test_chunks_of_open_chains_count() -> None:
    tally = Tally("task", 4)
    tally.add_chunk("a", 1 / 4)
    tally.add_chunk("a", 2 / 4)
    assert "0/4 items, 2 chunks done" in tally.line()
    assert "s left" in tally.line()
    tally.add(Prediction("a", "answered", "x", [Step("k", "text", "stop")] * 4))
    assert "1/4 items, 3 chunks done" in tally.line()
    tally.add(Prediction("b", "overflow", None))
    assert "2/4 items, 3 chunks done, 1 overflow" in tally.line()


def test_a_line_comes_also_while_nothing_finishes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.02)
    with Display() as show:
        show(TaskStarted("task", 4, 0))
        deadline = time.monotonic() + 10
        while "task: 0/4 items" not in (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "task: 0/4 items" in said
    with Display(quiet=True) as show:
        show(TaskStarted("task", 4, 0))
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_what_there_is_to_know_is_said_also_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(quiet=True) as show:
        show(TaskLeftOut("one", "no data"))
        show(Note("two", "3 of 4 items are finished already"))
        show(TaskStarted("two", 4, 3))
        show(ItemFinished("two", Prediction("b", "overflow", None)))
        show(TaskAnswered("two"))
        show(MetricProgress("two", "rouge_l", 1, 4))
        show(MetricFailed("two", "rouge_l", UsageError("rouge_l failed")))
    said = "ehrbench: one is left out: no data\nehrbench: two: 3 of 4 items are finished already\nehrbench: rouge_l failed\n"
    assert capsys.readouterr().err == said


@pytest.mark.filterwarnings("error")
def test_bars_on_a_terminal_come_and_go(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Display() as show:
        show(TaskStarted("task", 2, 0))
        show(ChunkFinished("task", "a", 1, 2))
        show(ItemFinished("task", Prediction("a", "answered", "x")))
        show(TaskAnswered("task"))
        show(MetricProgress("task", "rouge_l", 1, 2))
        show(MetricProgress("task", "rouge_l", 2, 2))
        show(TaskFinished("task", Path(), 0, 0, None))
    said = capsys.readouterr().err
    assert "task" in said and "1/2" in said and "scoring rouge_l" in said
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 2  # the cursor is hidden and shown again


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
