"""MIMIC-Instr on the open demo, from the tables to a result: a baseline, a small checkpoint under refinement, gold answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chart import ehrbench, rows, run_folders


@pytest.fixture(scope="module")
def prepared(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("mimic_instr")
    source = shared_dir / "data" / "mimic-iv-demo"
    options = ("--mimic", source, "--seed", 1, "--out", data / "mimic_instr")
    finished = ehrbench("data", "prepare", "mimic_instr", *options, home=data / "home")
    assert finished.returncode == 0, finished.stderr
    return data


def run(data: Path, out: Path, model: str, *more: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    arguments = ("--model", model, "--tasks", "mimic_instr.schema", "--data-dir", data, "--out", out, "--quiet", *more)
    finished = ehrbench("run", *arguments, home=data / "home")
    assert finished.returncode == 0, finished.stderr
    (folder,) = run_folders(out)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result, rows(folder / "private" / "predictions.jsonl")


def value(result: dict[str, Any], name: str) -> float:
    (found,) = [metric["value"] for metric in result["metrics"] if metric["name"] == name]
    return float(found)


@pytest.mark.demo_data
def test_the_gold_scores_100_and_another_patients_gold_does_not(prepared: Path, tmp_path: Path) -> None:
    questions = rows(prepared / "mimic_instr" / "qa_test_subset.jsonl")
    others = [*questions[1:], questions[0]]
    for name, answers in {"gold": questions, "others": others}.items():
        lines = [{"item": q["id"], "answer": a["a"]} for q, a in zip(questions, answers, strict=True)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    gold, _ = run(prepared, tmp_path / "a", f"replay:{tmp_path / 'gold.jsonl'}")
    other, _ = run(prepared, tmp_path / "b", f"replay:{tmp_path / 'others.jsonl'}")
    assert (gold["n_items"], gold["n_groups"], gold["data_policy"]) == (10, 10, "open")
    for metric in ("typed_match", "token_f1", "rouge_l"):
        assert value(gold, metric) == 1, metric
        assert value(other, metric) < 0.5, metric
    assert value(other, "typed_match") <= 0.1


@pytest.mark.demo_data
def test_a_baseline_gives_a_result_with_an_interval(prepared: Path, tmp_path: Path) -> None:
    result, predictions = run(prepared, tmp_path / "runs", "baseline:bm25")
    (typed,) = [metric for metric in result["metrics"] if metric["name"] == "typed_match"]
    assert typed["n"] == len(predictions) == 10
    assert typed["low"] <= typed["value"] <= typed["high"]
    assert result["primary"] == "typed_match"


@pytest.mark.hf
def test_a_small_checkpoint_refines_its_answer_over_chunks_of_events(tmp_path: Path) -> None:
    from tests.tiny.models import tiny_llama

    model = tiny_llama(tmp_path / "tiny", context=8192, eos_scale=3.0)
    arguments = ("--model", f"hf:{model}", "--tasks", "mimic_instr.schema", "--data-dir", "sample", "--out", tmp_path / "runs")
    finished = ehrbench("run", *arguments, "--context", "refine", "--max-model-len", 5000, "--limit", 1, "--quiet", home=tmp_path)
    assert finished.returncode == 0, finished.stderr
    (folder,) = run_folders(tmp_path / "runs")
    result = json.loads((folder / "result.json").read_text())
    assert result["outcomes"] == {"answered": 1}
    assert result["synthetic"]
    assert result["context"]["policy"] == "refine"
    assert result["context"]["steps_mean"] > 1
    (prediction,) = rows(folder / "private" / "predictions.jsonl")
    assert prediction["record_tokens_seen"] == prediction["record_tokens"] > 5000
