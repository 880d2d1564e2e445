"""Kill a run at any moment and run the same command again: nothing finished is asked twice, and the files are the same."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.chart import TOKENIZER, command, ehrbench, environment, final_files, rows, run_folders, write_release
from tests.support.server import Server

KILLS = 10


def arguments(server: Server, data: Path, out: Path, context: str) -> list[object]:
    return [
        *("run", "--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--out", out, "--context", context),
        *("--max-model-len", 2048, "--budget-tokenizer", TOKENIZER, "--metrics", "rouge_l,chrf_pp", "--quiet"),
        *("--model-arg", f"base_url={server.url}", "--model-arg", "concurrency=3"),
    ]


def stored_calls(out: Path) -> set[str]:
    keys: set[str] = set()
    for folder in run_folders(out):
        keys |= {row["key"] for row in rows(folder / "private" / "calls.jsonl")}
        keys |= {step["key"] for row in rows(folder / "private" / "predictions.jsonl") for step in row["steps"]}
    return keys


@pytest.mark.parametrize("context", ["refine", "truncate"])
def test_sigkill_at_ten_random_moments(tmp_path: Path, context: str) -> None:
    data = write_release(tmp_path / "data", questions=3 if context == "refine" else 15)
    with Server(latency=0.02) as server:
        whole = ehrbench(*arguments(server, data, tmp_path / "whole", context), home=tmp_path / "home")
        assert whole.returncode == 0, whole.stderr
        total = server.stats()["calls"]
    draw = random.Random(context)
    with Server(latency=0.1, port=server.port) as server:  # the same address: it is part of which model this is
        again = arguments(server, data, tmp_path / "killed", context)
        kills = 0
        while kills < KILLS:
            process = subprocess.Popen(
                command(*again), env=environment(tmp_path / "home"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            # Counted from the first call of this process, so that the ten moments lie within the work and not before it.
            begun = server.stats()["calls"]
            while process.poll() is None and server.stats()["calls"] == begun:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.2))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        known, calls = stored_calls(tmp_path / "killed"), server.stats()["calls"]
        assert kills == KILLS, "the run is long enough to be killed ten times"
        last = ehrbench(*again, home=tmp_path / "home")
        assert last.returncode == 0, last.stderr
        assert server.stats()["calls"] - calls == total - len(known), "what was stored is not asked again, all else is"
        assert server.stats()["calls"] <= total + 3 * kills, "at most what was in flight is repeated"
    (one,), (other,) = run_folders(tmp_path / "whole"), run_folders(tmp_path / "killed")
    assert one.name == other.name
    assert final_files(one) == final_files(other)


def test_refinement_asks_once_a_chunk(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2)
    with Server() as server:
        finished = ehrbench(*arguments(server, data, tmp_path / "out", "refine"), home=tmp_path / "home")
        assert finished.returncode == 0, finished.stderr
        prompts = [body["messages"][-1]["content"] for body in server.bodies]
    (folder,) = run_folders(tmp_path / "out")
    predictions = rows(folder / "private" / "predictions.jsonl")
    assert sum(len(p["steps"]) for p in predictions) == len(prompts)
    for p in predictions:
        assert p["record_tokens"] == p["record_tokens_seen"], "refinement sees the whole record"
        assert len(p["steps"]) > 1
        assert p["first_date"] == "2015-01-01"
    later = [p.split("EHR part ")[1] for p in prompts if "EHR part" in p]
    chunks = [p.split(": ", 1)[1].rsplit("\nIf this part changes", 1)[0] for p in later]
    first = [p.split("\n\nEHR: ", 1)[1].split("\n\nQuestion: ")[0] for p in prompts if "EHR part" not in p]
    records = [(data / "medalign" / "ehrs" / f"{700000001 + i}.xml").read_text() for i in range(2)]
    assert len(first) == 4
    assert sorted(len(text) for text in records * 2) == sorted([sum(map(len, first + chunks)) // 4] * 4)
    for text in records:
        assert any(text.startswith(chunk) for chunk in first)
        assert sum(chunk in text for chunk in set(chunks)) >= 1


def test_a_second_process_on_one_run_is_told_so(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data")
    with Server(script=["hang"] * 100) as server:
        again = arguments(server, data, tmp_path / "out", "truncate")
        first = subprocess.Popen(command(*again), env=environment(tmp_path / "home"), stdout=subprocess.DEVNULL)
        while not server.stats()["calls"]:
            time.sleep(0.01)
        second = ehrbench(*again, home=tmp_path / "home")
        assert second.returncode == 2
        assert "another process" in second.stderr
        assert f"pid {first.pid}" in second.stderr
        first.kill()
        first.wait()


def test_interrupting_from_the_keyboard_keeps_what_is_finished(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data")
    with Server(latency=0.2) as server:
        again = arguments(server, data, tmp_path / "out", "refine")
        process = subprocess.Popen(command(*again), env=environment(tmp_path / "home"), stderr=subprocess.PIPE, text=True)
        while server.stats()["calls"] < 6:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "the same command continues from there" in errors
        assert "Traceback" not in errors
        assert stored_calls(tmp_path / "out")
        assert ehrbench(*again, home=tmp_path / "home").returncode == 0
