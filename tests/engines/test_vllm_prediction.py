"""A prediction task three ways: the stored P(yes) is the same, and labels without probabilities stand in a table of their own."""

from __future__ import annotations

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
    build([out], tmp_path / "site")
    ranked: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for path in (tmp_path / "site" / "data").glob("*.json"):
        for cell in json.loads(path.read_text()):
            if "rank_best" in cell:
                ranked[path.stem, cell["column"]].append((cell["value"], cell["rank_worst"]))
    of_labels = {m.value for m in labels.result.metrics}
    columns = [cells for cells in ranked.values() if cells[0][0] in of_labels]
    assert len(columns) > 2
    assert all(len(cells) == 1 and cells[0][1] == 1 for cells in columns), "labels are ranked alone"
    others = [cells for cells in ranked.values() if cells[0][0] not in of_labels]
    assert others and all(len(cells) == 3 for cells in others), "the three engines are ranked among themselves"
