"""A real small model, the same weights through three engines: the same answers where the arithmetic is the same.

transformers and vLLM compute with the weights unpacked to float32: their greedy answers are equal. llama.cpp multiplies the
packed weights (Q4_K_M) with rounded activations: its probabilities are close, its answers may part ways after some tokens.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chart import command, ehrbench, environment, final_files, rows, run_folders
from tests.real import gemma

pytestmark = pytest.mark.real_model

SAME = 1e-4
"""Most that a probability differs between transformers and vLLM, both in float32."""
CLOSE = 2e-3
"""Most that it differs between those and llama.cpp with unpacked weights: 0.0003 was the most of twelve items."""
VLLM = ("enforce_eager=on", "block_size=32", "kv_cache_memory_bytes=536870912", "max_num_seqs=4")
TASKS = {
    "medalign": ("--limit", "6", "--max-model-len", "768", "--max-tokens", "24", "--metrics", "chrf_pp,rouge_l"),
    "meds_likelihood.medqa": ("--limit", "8"),
    "ehr_bench.risk.ED_Hospitalization": ("--limit", "12", "--max-model-len", "1024"),
}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def folder() -> Path:
    place = os.environ.get("EHRBENCH_REAL_MODEL")
    if not place:
        pytest.skip("no folder for the real model: set EHRBENCH_REAL_MODEL, or run `tox -e real-model`")
    return Path(place)


@pytest.fixture(scope="session")
def checkpoint(folder: Path) -> Path:
    return gemma.checkpoint(folder)


@pytest.fixture(scope="session")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama.cpp's OpenAI-compatible server on the loopback interface."""
    pytest.importorskip("llama_cpp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--model", gemma.unpacked(folder), "--model_alias", "gemma", "--n_ctx", 1024, "--logits_all", "true")
    options += ("--type_k", 0, "--type_v", 0, "--port", port)  # 0: its cache in float32, too
    log = (tmp_path_factory.mktemp("server") / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", *map(str, options)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/models", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, Path(log.name).read_text(errors="replace")[-2000:]
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def arguments(engine: str, checkpoint: Path, url: str = "") -> list[str]:
    """The model and its arguments, for one engine."""
    if engine == "hf":
        return ["--model", f"hf:{checkpoint}", "--model-arg", "dtype=float32"]
    if engine == "vllm":
        settings = [part for setting in ("dtype=float32", *VLLM) for part in ("--model-arg", setting)]
        return ["--model", f"vllm:{checkpoint}", *settings]
    # This server lowers what was said before unless it is told not to.
    settings = [f"base_url={url}", "api=completions", f"tokenizer={checkpoint}", 'extra_body={"repeat_penalty": 1}']
    settings += ["top_logprobs=20000", "concurrency=1"]
    return ["--model", "openai:gemma", *(part for setting in settings for part in ("--model-arg", setting))]


def run(task: str, model: list[str], out: Path, home: Path) -> Path:
    """Run one task to its end and return the run's folder."""
    line = ["run", *model, "--tasks", task, "--data-dir", "sample", *TASKS[task], "--out", out, "--quiet"]
    done = ehrbench(*line, home=home, seconds=3600)  # on a busy machine a run of the real model takes many minutes
    assert done.returncode == 0, done.stderr
    (found,) = run_folders(out)
    return found


@pytest.fixture(scope="session")
def reference(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory, home: Path) -> Callable[[str], Path]:
    """A task's run through transformers, made once."""
    out = tmp_path_factory.mktemp("hf")
    return cache(lambda task: run(task, arguments("hf", checkpoint), out / task, home))


def predictions(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["item"]: row for row in rows(folder / "private" / "predictions.jsonl")}


def seen(found: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {item: row["record_tokens_seen"] for item, row in found.items()}


def furthest(a: Path, b: Path) -> float:
    """The largest difference of a probability between two runs."""
    one, other = predictions(a), predictions(b)
    assert one.keys() == other.keys()
    return max(abs(p - other[i]["probabilities"][choice]) for i in one for choice, p in one[i]["probabilities"].items())


def metric(folder: Path, name: str) -> float:
    result = json.loads((folder / "result.json").read_text())
    return float(next(m["value"] for m in result["metrics"] if m["name"] == name))


@pytest.mark.parametrize("task", TASKS)
def test_vllm_says_what_transformers_says(
    task: str, reference: Callable[[str], Path], checkpoint: Path, tmp_path: Path, home: Path
) -> None:
    pytest.importorskip("vllm")
    found = run(task, arguments("vllm", checkpoint), tmp_path, home)
    if task == "medalign":
        ours, theirs = predictions(found), predictions(reference(task))
        assert {i: row["answer"] for i, row in ours.items()} == {i: row["answer"] for i, row in theirs.items()}
        assert seen(ours) == seen(theirs)
    else:
        assert furthest(found, reference(task)) < SAME


@pytest.mark.parametrize("task", ["medalign", "ehr_bench.risk.ED_Hospitalization"])
def test_a_llama_cpp_server_is_close(
    task: str, reference: Callable[[str], Path], checkpoint: Path, server: str, tmp_path: Path, home: Path
) -> None:
    found = run(task, arguments("server", checkpoint, server), tmp_path, home)
    ours, theirs = predictions(found), predictions(reference(task))
    assert seen(ours) == seen(theirs), "both are shown the same of each record"
    if task == "medalign":
        assert {i: row["answer"] for i, row in ours.items()} == {i: row["answer"] for i, row in theirs.items()}
    else:
        assert furthest(found, reference(task)) < CLOSE


def test_it_beats_saying_nothing(reference: Callable[[str], Path], tmp_path: Path, home: Path) -> None:
    empty = run("medalign", ["--model", "baseline:empty", "--budget-tokenizer", "words"], tmp_path, home)
    for name in ("chrf_pp", "rouge_l"):
        assert metric(reference("medalign"), name) > metric(empty, name)


def test_killed_and_resumed_it_ends_the_same(
    reference: Callable[[str], Path], checkpoint: Path, tmp_path: Path, home: Path
) -> None:
    model = [*arguments("hf", checkpoint), "--model-arg", "batch_size=1"]
    line = ["run", *model, "--tasks", "medalign", "--data-dir", "sample", *TASKS["medalign"], "--out", str(tmp_path), "--quiet"]
    process = subprocess.Popen(command(*line), env=environment(home))
    try:
        while not any(len(rows(f / "private" / "predictions.jsonl")) >= 2 for f in run_folders(tmp_path)):
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (killed,) = run_folders(tmp_path)
    kept = predictions(killed)
    assert 0 < len(kept) < 6 and not (killed / "result.json").exists()
    assert final_files(run("medalign", model, tmp_path, home)) == final_files(reference("medalign"))
