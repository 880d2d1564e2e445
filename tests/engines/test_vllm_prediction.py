"""A prediction task three ways: the stored P(yes) is the same, and labels without probabilities stand in a table of their own."""

from __future__ import annotations

import csv
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.leaderboard.build import build
from ehrbench.models.loading import load_model
from ehrbench.results.schema import Result
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.engines.vllm_server import ENGINE, WINDOW

pytestmark = pytest.mark.vllm

TASK = "mimic_instr.mortality"
LABELS = {"omit": "logprobs,top_logprobs", "extra_body": json.dumps({"structured_outputs": {"choice": ["yes", "no"]}})}
"""A server that gives no log-probabilities, and a model that answers the question."""


class Run(NamedTuple):
    result: Result
    predictions: dict[str, Prediction]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def runs(served_checkpoint: Path, vllm_server: str, out: Path) -> dict[str, Run]:
    server = {"base_url": vllm_server, "tokenizer": str(served_checkpoint), "top_logprobs": "512"}
    models: dict[str, tuple[str, dict[str, str]]] = {
        "transformers": (f"hf:{served_checkpoint}", {"dtype": "float32"}),
        "vllm": (f"vllm:{served_checkpoint}", ENGINE),
        "server": ("openai:tiny", server),
        "labels": ("openai:tiny", {**server, **LABELS}),
    }
    (task,) = load_catalog().select(TASK, "clean")
    found = {}
    for name, (spec, args) in models.items():
        model = load_model(spec, args, WINDOW)
        options = RunOptions(data_dir="sample", out=out / name, max_model_len=WINDOW)
        try:
            folder, predictions = generate(prepare(task, model, options))
        finally:
            model.close()
        found[name] = Run(score_run(load_run(folder)), {p.item: p for p in predictions})
    return found


def test_the_stored_probability_of_yes_is_the_same_three_ways(runs: dict[str, Run]) -> None:
    stored: dict[str, dict[str, float]] = {}
    for name in ("transformers", "vllm", "server"):
        predictions = runs[name].predictions.values()
        assert {p.outcome for p in predictions} == {"answered"}
        assert not any(p.hard for p in predictions)
        stored[name] = {p.item: (p.probabilities or {})["yes"] for p in predictions}
    assert len(stored["vllm"]) > 2
    assert stored["vllm"] == pytest.approx(stored["transformers"], abs=1e-3)
    assert stored["server"] == pytest.approx(stored["transformers"], abs=1e-3)
    assert max(stored["vllm"].values()) - min(stored["vllm"].values()) > 0.01, "the model tells the items apart"
    answers = {name: {p.item: p.answer for p in runs[name].predictions.values()} for name in stored}
    assert answers["vllm"] == answers["server"] == answers["transformers"]
    assert [runs[name].result.track for name in stored] == [""] * 3


def test_labels_are_marked_and_never_ranked_with_probabilities(runs: dict[str, Run], out: Path, tmp_path: Path) -> None:
    labels = runs["labels"]
    assert set(labels.predictions) == set(runs["vllm"].predictions)
    assert all(p.hard for p in labels.predictions.values())
    assert {(p.probabilities or {})["yes"] for p in labels.predictions.values()} <= {0.0, 1.0}
    assert labels.result.track == "hard labels"
    assert build([out], tmp_path / "site").problems == []
    ranked: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in (tmp_path / "site" / "data").glob(f"tasks-{TASK}--*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for cell in csv.DictReader(file):
                if cell["column"] == "brier":
                    ranked[cell["track"]].append((cell["rank_best"], cell["rank_worst"]))
    assert ranked.pop("hard labels") == [("1", "1")], "labels are ranked alone"
    assert ranked == {"": [("1", "3")] * 3}, "the three engines are ranked among themselves, and cannot be told apart"
