"""Windows that something does not fit: named outcomes, and the instruction is never cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chart import ehrbench, rows, run_folders, write_release
from tests.support.server import Server


def run(data: Path, out: Path, server: Server, *more: object) -> tuple[int, list[dict[str, Any]], str]:
    finished = ehrbench(
        *("run", "--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--out", out, "--quiet"),
        *("--metrics", "rouge_l", "--budget-tokenizer", "words", "--model-arg", f"base_url={server.url}", *more),
        home=out / "home",
    )
    folders = run_folders(out)
    return finished.returncode, rows(folders[0] / "private" / "predictions.jsonl") if folders else [], finished.stderr


@pytest.mark.parametrize("context", ["truncate", "refine", "retrieve", "full"])
def test_an_instruction_longer_than_the_window_is_an_overflow(tmp_path: Path, context: str) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=2)
    with Server() as server:
        code, predictions, errors = run(data, tmp_path / "out", server, "--max-model-len", 270, "--context", context)
        assert server.stats()["calls"] == 0, "nothing is sent that cannot fit"
    assert code == 5
    assert [p["outcome"] for p in predictions] == ["overflow", "overflow"]
    assert "items ended without an answer" in errors


@pytest.mark.parametrize("context", ["truncate", "retrieve"])
def test_a_cut_record_leaves_the_instruction_whole(tmp_path: Path, context: str) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=2)
    with Server() as server:
        code, predictions, _ = run(data, tmp_path / "out", server, "--max-model-len", 600, "--context", context)
        prompts = [body["messages"][-1]["content"] for body in server.bodies]
    assert code == 0
    for prompt in prompts:
        assert prompt.startswith("Instruction: Answer the following question based on the EHR:\n\nEHR: ")
        assert prompt.endswith("\n\nAnswer:")
        assert "\n\nQuestion: What about marmalade obelisk tangent" in prompt
    for p in predictions:
        assert 0 < p["record_tokens_seen"] < p["record_tokens"]
        assert p["first_date"] > "2015-01-01" or context == "retrieve"


def test_the_result_says_how_much_was_seen(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2)
    with Server() as server:
        run(data, tmp_path / "out", server, "--max-model-len", 600)
    (folder,) = run_folders(tmp_path / "out")
    context = json.loads((folder / "result.json").read_text())["context"]
    assert (context["policy"], context["window"], context["tokenizer"]) == ("truncate-end", 600, "words")
    assert context["n_records_cut"] == 4
    assert 0 < context["share_seen_median"] < 1


def test_a_window_without_a_tokenizer_asks_for_one(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=1)
    with Server() as server:
        finished = ehrbench(
            *("run", "--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--out", tmp_path / "out"),
            *("--max-model-len", 600, "--model-arg", f"base_url={server.url}"),
            home=tmp_path / "home",
        )
    assert finished.returncode == 2
    assert "--budget-tokenizer" in finished.stderr
