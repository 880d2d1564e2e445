"""The file that ``ehrbench requests`` writes, answered by vLLM's own batch program, gives the run that its server gives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.acceptance.chart import ehrbench, final_files, rows, run_folders, write_release
from tests.engines.vllm_server import WINDOW, flags, quiet_environment

pytestmark = pytest.mark.vllm

START_SECONDS = 240


def numbers_apart(value: Any, numbers: list[float]) -> Iterator[Any]:
    """Everything in nested data but its fractions, which are collected: they differ in the last digits from batch to batch."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from numbers_apart(inner, numbers)
    elif isinstance(value, list):
        yield len(value)
        for inner in value:
            yield from numbers_apart(inner, numbers)
    elif isinstance(value, float):
        numbers.append(value)
    else:
        yield value


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("medalign", ("--metrics", "rouge_l,chrf_pp", "--max-tokens", 24)),
        ("mimic_instr.mortality", ()),
    ],
)
def test_run_batch_answers_what_was_written(
    served_checkpoint: Path, vllm_server: str, tmp_path: Path, task: str, more: tuple[object, ...]
) -> None:
    data: object = write_release(tmp_path / "data", patients=2, questions=3, entries=20) if task == "medalign" else "sample"
    given = [
        *("--model", "openai:tiny", "--tasks", task, "--data-dir", data, "--max-model-len", WINDOW, "--quiet"),
        *("--model-arg", f"base_url={vllm_server}", "--model-arg", f"tokenizer={served_checkpoint}"),
        *("--model-arg", "top_logprobs=512"),
    ]
    scoring = [part for part in more if "rouge" in str(part) or part == "--metrics"]
    asking = [part for part in more if part not in scoring]
    home = tmp_path / "home"
    online = ehrbench("run", *given, *asking, *scoring, "--out", tmp_path / "online", home=home)
    assert online.returncode == 0, online.stderr

    calls, answers = tmp_path / "calls.jsonl", tmp_path / "answers.jsonl"
    wrote = ehrbench("requests", *given, *asking, "--results", tmp_path / "files", "--out", calls, home=home)
    assert wrote.returncode == 0, wrote.stderr
    program = [sys.executable, "-m", "vllm.entrypoints.openai.run_batch", "-i", str(calls), "-o", str(answers)]
    batch = subprocess.run(
        [*program, *flags(served_checkpoint)],
        env=quiet_environment(),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert batch.returncode == 0, batch.stderr[-3000:]
    assert {row["custom_id"] for row in rows(answers)} == {row["custom_id"] for row in rows(calls)}
    took = ehrbench("ingest", answers, *given, *asking, *scoring, "--results", tmp_path / "files", home=home)
    assert took.returncode == 0, took.stderr

    (one,), (other,) = run_folders(tmp_path / "online"), run_folders(tmp_path / "files")
    assert one.name == other.name
    found: list[list[float]] = [[], []]
    first, second = (list(numbers_apart(final_files(run), into)) for run, into in zip((one, other), found, strict=True))
    assert first == second
    assert found[0] == pytest.approx(found[1], abs=1e-4)
    assert found[0]
