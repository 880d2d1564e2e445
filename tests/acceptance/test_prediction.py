"""The prediction benchmark on the open demo: probabilities from any classifier, labels from models that give none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chart import ehrbench, rows, run_folders


@pytest.fixture(scope="module")
def prepared(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("prediction")
    mimic = shared_dir / "data" / "mimic-iv-demo"
    finished = ehrbench(
        "data", "prepare", "mimic_prediction", "--mimic", mimic, "--out", data / "mimic_prediction", home=data / "home"
    )
    assert finished.returncode == 0, finished.stderr
    return data


def run(data: Path, out: Path, answers: list[dict[str, Any]]) -> dict[str, Any]:
    file = out.parent / f"{out.name}.jsonl"
    file.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    finished = ehrbench(
        *("run", "--model", f"replay:{file}", "--tasks", "mimic_instr.mortality", "--data-dir", data, "--out", out, "--quiet"),
        home=data / "home",
    )
    assert finished.returncode == 0, finished.stderr
    (folder,) = run_folders(out)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result | {"predictions": rows(folder / "private" / "predictions.jsonl")}


def labels(data: Path) -> dict[str, bool]:
    found = rows(data / "mimic_prediction" / "mortality.jsonl")
    return {f"mortality-{row['hadm_id']}": bool(row["label"]) for row in found if row["split"] == "test"}


def test_a_classifier_is_scored_by_its_probabilities(prepared: Path, tmp_path: Path) -> None:
    gold = labels(prepared)
    sharp = [
        {"item": item, "answer": "", "probability": {"yes": p, "no": 1 - p}}
        for item, y in gold.items()
        for p in [0.9 if y else 0.2]
    ]
    result = run(prepared, tmp_path / "sharp", sharp)
    metrics = {m["name"]: m["value"] for m in result["metrics"]}
    assert (result["track"], result["data_policy"], result["n_items"]) == ("", "open", len(gold))
    positives = sum(gold.values())
    if 0 < positives < len(gold):
        assert metrics["auroc"] == 1.0
        assert metrics["auprc"] == 1.0
    expected = (positives * 0.1**2 + (len(gold) - positives) * 0.2**2) / len(gold)
    assert metrics["brier"] == pytest.approx(expected)
    assert all(sum(p["probabilities"].values()) == pytest.approx(1) for p in result["predictions"])


def test_labels_without_probabilities_are_a_track_of_their_own(prepared: Path, tmp_path: Path) -> None:
    gold = labels(prepared)
    hard = run(prepared, tmp_path / "hard", [{"item": item, "answer": "Yes." if y else "no"} for item, y in gold.items()])
    assert hard["track"] == "hard labels"
    assert {m["name"]: m["value"] for m in hard["metrics"]}["brier"] == 0.0
    assert all(p["hard"] for p in hard["predictions"])
