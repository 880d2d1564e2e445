"""All 45 tasks of EHR-Bench by transformers and by vLLM: each item has the same answer and the same probability of yes."""

from __future__ import annotations

import os
from typing import NamedTuple

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.models.loading import load_model
from ehrbench.results.schema import Result
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.engines.vllm_server import ENGINE
from tests.tiny.taught import ANSWER, WINDOW, knows_ehr_bench

pytestmark = pytest.mark.vllm

ITEMS = 2


class Runs(NamedTuple):
    predictions: dict[tuple[str, str], Prediction]
    results: dict[str, Result]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runs]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EHRBENCH_HOME", str(home))
        checkpoint = knows_ehr_bench(tmp_path_factory.mktemp("checkpoint") / "taught")
        found = {}
        for name, args in (("hf", {"dtype": "float32"}), ("vllm", ENGINE)):
            out = tmp_path_factory.mktemp(name)
            options = RunOptions(data_dir="sample", out=out, max_model_len=WINDOW, max_tokens=ANSWER, limit=ITEMS)
            model = load_model(f"{name}:{checkpoint}", args, WINDOW)
            found[name] = Runs({}, {})
            try:
                for task in load_catalog().select("ehr_bench", "clean"):
                    folder, predictions = generate(prepare(task, model, options))
                    found[name].predictions.update({(task.task, p.item): p for p in predictions})
                    found[name].results[task.task] = score_run(load_run(folder))
            finally:
                model.close()
    return found


def test_every_answer_is_the_same(engines: dict[str, Runs]) -> None:
    hf, vllm = engines["hf"].predictions, engines["vllm"].predictions
    assert hf.keys() == vllm.keys() and len(hf) == 45 * ITEMS
    assert {p.outcome for p in (*hf.values(), *vllm.values())} == {"answered"}
    assert {key: p.answer for key, p in vllm.items()} == {key: p.answer for key, p in hf.items()}
    decisions = {p.answer for (task, _), p in hf.items() if ".decision." in task}
    assert len(decisions) > 20, "the model tells the tasks apart"


def test_every_probability_of_yes_is_the_same(engines: dict[str, Runs]) -> None:
    of_yes = {
        name: {key: p.probabilities["yes"] for key, p in runs.predictions.items() if p.probabilities}
        for name, runs in engines.items()
    }
    assert len(of_yes["hf"]) == 18 * ITEMS
    assert of_yes["vllm"] == pytest.approx(of_yes["hf"], abs=1e-4)
    assert len({round(p, 6) for p in of_yes["hf"].values()}) > 18, "the model tells the items apart"


def test_every_score_is_the_same_and_the_taught_items_are_right(engines: dict[str, Runs]) -> None:
    values = {
        name: {(task, m.name): m.value for task, result in runs.results.items() for m in result.metrics}
        for name, runs in engines.items()
    }
    primary = {task.task: task.primary for task in load_catalog().select("ehr_bench.decision", "clean")}
    decided = [values["hf"][task, metric] or 0 for task, metric in primary.items() if metric]
    assert len(decided) == 27
    assert sum(value >= 0.5 for value in decided) >= 20, "one of two items of most tasks was learnt by heart"
    for key, value in values["hf"].items():
        assert values["vllm"][key] == (value if value is None else pytest.approx(value, abs=1e-3)), key
