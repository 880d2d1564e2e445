"""Whole runs with vLLM from the command line: killed and gone on with, nothing finished is generated twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

from tests.acceptance.chart import CANARIES, command, ehrbench, environment, final_files, rows, run_folders, write_release
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.vllm

ENGINE = {"enforce_eager": "on", "block_size": "32", "kv_cache_memory_bytes": str(64 << 20), "max_num_seqs": "2"}
START_SECONDS = 400


def arguments(checkpoint: Path, data: Path, out: Path) -> list[object]:
    engine = [part for name, value in ENGINE.items() for part in ("--model-arg", f"{name}={value}")]
    return [
        *("run", "--model", f"vllm:{checkpoint}", "--tasks", "medalign", "--data-dir", data, "--out", out, "--quiet"),
        *("--context", "refine", "--max-model-len", 1024, "--max-tokens", 32, "--metrics", "rouge_l", *engine),
    ]


def finished_calls(out: Path) -> dict[str, Any]:
    """Every finished step in a run's files with its clock times: a step that is generated again has other times."""
    found: dict[str, Any] = {}
    for folder in run_folders(out):
        for row in rows(folder / "private" / "predictions.jsonl"):
            found.update({step["key"]: step["clock"] for step in row["steps"]})
        for row in rows(folder / "private" / "calls.jsonl"):
            found.setdefault(row["key"], row.get("clock"))
    return found


def test_sigkill_and_resume_generate_nothing_finished_twice(tmp_path: Path) -> None:
    checkpoint = tiny_llama(tmp_path / "tiny", context=2048)
    data = write_release(tmp_path / "data", patients=1, questions=4, entries=24)
    whole = ehrbench(*arguments(checkpoint, data, tmp_path / "whole"), home=tmp_path / "home")
    assert whole.returncode == 0, whole.stderr
    total = len(finished_calls(tmp_path / "whole"))
    again = arguments(checkpoint, data, tmp_path / "killed")
    known: dict[str, Any] = {}
    for share in (0.2, 0.6):
        process = subprocess.Popen(
            command(*again), env=environment(tmp_path / "home"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while len(finished_calls(tmp_path / "killed")) < share * total:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = finished_calls(tmp_path / "killed")
        assert len(now) < total, "killed before the end"
        assert {key: now[key] for key in known} == known
        known = now
    last = ehrbench(*again, home=tmp_path / "home")
    assert last.returncode == 0, last.stderr
    now = finished_calls(tmp_path / "killed")
    assert {key: now[key] for key in known} == known
    (one,), (other,) = run_folders(tmp_path / "whole"), run_folders(tmp_path / "killed")
    assert one.name == other.name
    assert final_files(one) == final_files(other)
    steps = [step for row in rows(one / "private" / "predictions.jsonl") for step in row["steps"]]
    assert any(step["clock"]["cached_tokens"] for step in steps)


@pytest.mark.parametrize("copies", [1, 2])
def test_debug_logs_hold_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int) -> None:
    """All that vLLM can say, and what it says of an engine that dies in the middle of the work."""
    checkpoint = tiny_llama(tmp_path / "tiny", context=2048)
    data = write_release(tmp_path / "data", patients=2, questions=6, entries=3)
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(tmp_path / "home" / "vllm"))
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1" if copies > 1 else "0")
    asked = [*arguments(checkpoint, data, tmp_path / "out"), "--verbose", "--log-file", tmp_path / "home" / "log"]
    asked += ["--model-arg", f"data_parallel_size={copies}"] if copies > 1 else []
    (tmp_path / "home").mkdir()
    with (tmp_path / "home" / "said").open("wb") as said:
        process = subprocess.Popen(command(*asked), env=environment(tmp_path / "home"), stdout=said, stderr=said)
        if copies > 1:
            deadline = time.monotonic() + START_SECONDS
            while not finished_calls(tmp_path / "out"):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(engine_of(process.pid), signal.SIGKILL)
        code = process.wait(START_SECONDS)
    assert (code == 0) is (copies == 1)
    shown = (tmp_path / "home" / "said").read_text()
    assert "DEBUG" in shown, "vLLM said all that it has to say"
    assert copies == 1 or "engine stopped" in shown
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if any(canary.encode() in path.read_bytes() for canary in CANARIES)]


def engine_of(parent: int) -> int:
    """The process id of an engine that a command has started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
        if int(rest.split()[1]) == parent and "EngineCore" in name + (stat.parent / "cmdline").read_text():
            return int(stat.parent.name)
    raise AssertionError("no engine")
