"""lm-eval's tasks in our runs: the scores are those that lm-eval itself gives to the same answers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from ehrbench.errors import UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Model
from ehrbench.results.schema import Result
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import rows
from tests.engines.foreign_tasks import OUTPUT_TYPES, write_tasks
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.lm_eval


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model: lm-eval's own runs apply no chat template unless they are told to.

    Its generation settings name end tokens alone: lm-eval lets a checkpoint's repetition penalty through, we do not.
    """
    made = tiny_llama(tmp_path_factory.mktemp("checkpoint") / "tiny", context=512, chat_template=False, eos_scale=1.5)
    settings = json.loads((made / "generation_config.json").read_text())
    kept = {key: value for key, value in settings.items() if key.endswith("_token_id")}
    (made / "generation_config.json").write_text(json.dumps(kept))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def theirs(checkpoint: Path, folder: Path) -> Mapping[str, Any]:
    """lm-eval's own results."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_defaults=False, include_path=str(folder))
    found: Mapping[str, Any] = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(checkpoint), "dtype": "float32", "device": "cpu"},
        tasks=list(OUTPUT_TYPES),
        task_manager=manager,
        bootstrap_iters=0,
    )
    return found


@pytest.fixture(scope="module", params=["hf", "lm-eval"])
def model(request: pytest.FixtureRequest, checkpoint: Path) -> Model:
    if request.param == "hf":
        return load_model(f"hf:{checkpoint}", {"dtype": "float32", "device": "cpu"}, None)
    return load_model(f"lm-eval:hf,pretrained={checkpoint},dtype=float32,device=cpu", {}, None)


def run(model: Model, folder: Path, out: Path, tasks: str, **options: Any) -> list[tuple[Result, Path]]:
    chosen = RunOptions(data_dir=None, out=out, include_paths=(folder,), **options)
    found = []
    for task in load_catalog((folder,)).select(tasks, "clean"):
        made, predictions = generate(prepare(task, model, chosen))
        assert {p.outcome for p in predictions} == {"answered"}
        found.append((score_run(load_run(made)), made.path))
    return found


def test_scores_equal_lm_evals_own(model: Model, folder: Path, theirs: Mapping[str, Any], tmp_path: Path) -> None:
    """The table of parity; ``pytest -s`` prints it."""
    print(f"\n{model.identity.backend}\n| task | output type | metric | lm-eval | ehrbench |\n|---|---|---|---|---|")
    compared = 0
    for name, kind in OUTPUT_TYPES.items():
        ((result, _),) = run(model, folder, tmp_path, f"lm_eval:{name}")
        own = {key: value for key, value in theirs["results"][name].items() if "," in key and "stderr" not in key}
        assert len(own) == len(result.metrics)
        for metric in result.metrics:
            plain, _, filter_ = metric.name.removeprefix("lm_eval.").partition("@")[0].partition("!")[0].partition("/")
            expected = own[f"{plain},{filter_ or 'none'}"]
            print(f"| {name} | {kind} | {metric.name} | {expected:.6f} | {metric.value:.6f} |")
            assert metric.value == pytest.approx(expected, rel=1e-5)
            assert metric.n == 12
            assert metric.low is not None and metric.high is not None and metric.low <= metric.value <= metric.high
            compared += 1
    assert compared == 13


def test_requests_are_those_that_lm_eval_makes(model: Model, folder: Path, theirs: Mapping[str, Any]) -> None:
    """Contexts and continuations, byte for byte, few-shot examples included."""
    from ehrbench.readers.data_dir import open_dataset

    for name in OUTPUT_TYPES:
        (task,) = load_catalog((folder,)).select(f"lm_eval:{name}", "clean")
        items = open_dataset(task, None).items
        for item, sample in zip(
            items, (s for s in theirs["samples"][name] if s["filter"] in ("none", "first-letter")), strict=True
        ):
            expected = [tuple(part for part in arguments if isinstance(part, str)) for arguments in sample["arguments"]]
            assert list(item.slots["requests"]) == expected
            assert item.id == str(sample["doc_id"])


def test_items_are_scored_one_by_one(model: Model, folder: Path, theirs: Mapping[str, Any], tmp_path: Path) -> None:
    ((_, made),) = run(model, folder, tmp_path, "lm_eval:mini_mc")
    scores = {(row["item"], row["metric"]): row["score"] for row in rows(made / "private" / "scores.jsonl")}
    for sample in theirs["samples"]["mini_mc"]:
        for metric in ("acc", "acc_norm"):
            assert scores[str(sample["doc_id"]), f"lm_eval.{metric}"] == sample[metric]
    ((_, made),) = run(model, folder, tmp_path, "lm_eval:mini_generate")
    answers = {row["item"]: row["answer"] for row in rows(made / "private" / "predictions.jsonl")}
    assert answers == {str(sample["doc_id"]): sample["resps"][0][0] for sample in theirs["samples"]["mini_generate"]}
    assert len(set(answers.values())) > 6


def test_a_multiple_choice_task_is_never_generated_unasked(checkpoint: Path, folder: Path, tmp_path: Path) -> None:
    from tests.support.scripted import ScriptedModel

    with pytest.raises(UsageError, match="lm_eval:NAME@generate, another task"):
        run(ScriptedModel(), folder, tmp_path, "lm_eval:mini_mc")


def test_generated_choices(folder: Path, tmp_path: Path) -> None:
    from ehrbench.models import Request, Response
    from tests.support.scripted import ScriptedModel

    def gold_for_half(request: Request) -> Response:
        number = int(request.item)
        gold = request.choices[number % 4] if number % 2 == 0 else "something else"
        return Response(request.id, f"**{gold.capitalize()}**.")

    ((result, _),) = run(ScriptedModel(gold_for_half), folder, tmp_path, "lm_eval:mini_mc@generate")
    assert [(m.name, m.value) for m in result.metrics] == [("lm_eval.generated_choice", 0.5)]
    assert result.task == "lm_eval.mini_mc.generate"


def test_wrong_names(folder: Path) -> None:
    catalog = load_catalog((folder,))
    with pytest.raises(UsageError, match="unknown lm-eval task 'mini_mcc'"):
        catalog.select("lm_eval:mini_mcc", "clean")
    with pytest.raises(UsageError, match="@generate is for multiple_choice alone"):
        catalog.select("lm_eval:mini_rolling@generate", "clean")
    with pytest.raises(UsageError, match="expected lm_eval:NAME"):
        catalog.select("lm_eval:mini_mc@guess", "clean")


def test_what_a_model_class_lacks_is_named(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.api import registry

    from ehrbench.errors import MissingError
    from ehrbench.models.protocol import Message, Request

    def lacks(name: str) -> None:
        raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate")

    monkeypatch.setattr(registry, "get_model", lacks)
    model = load_model(f"lm-eval:hf,pretrained={checkpoint}", {}, None)
    with pytest.raises(MissingError, match=r"needs accelerate, not installed here: pip install 'lm-eval\[hf\]'"):
        list(model.generate([Request("a", (Message("user", "x"),), 8)]))
