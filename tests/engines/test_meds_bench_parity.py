"""MedS-Bench's open multiple-choice tasks against lm-eval's own: same model, items and prompts, so the same accuracy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from ehrbench.cli import app
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse
from tests.acceptance.chart import rows
from tests.engines.medical_questions import TASKS, N, write_lm_eval, write_release
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.lm_eval


class Ours(NamedTuple):
    """What a run of ours asked and scored, in the order of the items' numbers."""

    requests: list[ChoiceRequest]
    result: Mapping[str, Any]
    scores: list[float]


@pytest.fixture(scope="module", params=["llama3", "llama2"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose tokenizer is byte-level and one that marks blanks and has some letters as two tokens.

    Both have a chat template, which lm-eval does not use unasked.
    """
    return tiny_llama(tmp_path_factory.mktemp("checkpoint") / request.param, request.param, context=2048, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import lm_eval.tasks

    return write_lm_eval(tmp_path_factory.mktemp("theirs"), Path(str(lm_eval.tasks.__file__)).parent)


@pytest.fixture(scope="module")
def theirs(checkpoint: Path, folder: Path) -> Mapping[str, Any]:
    """lm-eval's results."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    found: Mapping[str, Any] = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(checkpoint), "dtype": "float32", "device": "cpu", "batch_size": 16},
        tasks=[task.theirs for task in TASKS.values()],
        task_manager=TaskManager(include_defaults=False, include_path=str(folder)),
        bootstrap_iters=0,
    )
    return found


@pytest.fixture(scope="module")
def ours(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ours]:
    """``ehrbench run`` through ``hf:``."""
    from ehrbench.models.hf.model import HFModel

    asked: dict[str, ChoiceRequest] = {}
    answer = HFModel.choice_probabilities

    def recorded(self: HFModel, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        listed = list(requests)
        asked.update({one.item: one for one in listed})
        return answer(self, listed)

    folder = tmp_path_factory.mktemp("ours")
    data = write_release(folder / "data")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HFModel, "choice_probabilities", recorded)
        patch.setenv("EHRBENCH_HOME", str(folder / "home"))
        for name in TASKS:
            asked.clear()
            out = folder / name
            plain = ("--model-arg", "dtype=float32", "--model-arg", "device=cpu", "--model-arg", "chat_template=none")
            arguments = ("run", "--model", f"hf:{checkpoint}", *plain, "--tasks", f"meds_likelihood.{name}")
            done = CliRunner().invoke(app, [*arguments, "--data-dir", str(data), "--out", str(out), "-q"])
            assert done.exit_code == 0, (done.output, done.exception)
            (result,) = out.rglob("result.json")
            scored = {row["item"]: row["score"] for row in rows(result.parent / "private" / "scores.jsonl")}
            order = sorted(scored, key=lambda item: int(item.rpartition(":")[2]))
            found[name] = Ours([asked[item] for item in order], json.loads(result.read_text()), [scored[item] for item in order])
    return found


def test_lm_evals_files_differ_in_where_their_data_are_alone(folder: Path) -> None:
    import lm_eval.tasks
    from lm_eval.tasks._yaml_loader import load_yaml

    shipped = Path(str(lm_eval.tasks.__file__)).parent
    for name, task in TASKS.items():
        original, used = (load_yaml(path, resolve_func=False) for path in (shipped / task.config, folder / f"{name}.yaml"))
        assert original.pop("dataset_path") != used.pop("dataset_path")
        used.pop("dataset_kwargs")
        assert used == original


@pytest.mark.parametrize("name", TASKS)
def test_prompts_and_continuations_are_the_same(name: str, ours: Mapping[str, Ours], theirs: Mapping[str, Any]) -> None:
    samples = sorted(theirs["samples"][TASKS[name].theirs], key=lambda sample: int(sample["doc_id"]))
    assert len(samples) == N
    for request, sample in zip(ours[name].requests, samples, strict=True):
        (message,) = request.messages
        assert [(message.content, spelling) for (spelling,) in request.choices] == [tuple(pair) for pair in sample["arguments"]]


@pytest.mark.parametrize("name", TASKS)
def test_each_item_and_the_accuracy_are_the_same(
    name: str, ours: Mapping[str, Ours], theirs: Mapping[str, Any], checkpoint: Path
) -> None:
    """``pytest -s`` prints the table of docs/lm-eval.md."""
    task = TASKS[name].theirs
    samples = sorted(theirs["samples"][task], key=lambda sample: int(sample["doc_id"]))
    own = {key.partition(",")[0]: value for key, value in theirs["results"][task].items() if key.startswith("acc")}
    own = {key: value for key, value in own.items() if "stderr" not in key}
    assert set(own) == ({"acc"} if name == "pubmedqa" else {"acc", "acc_norm"})
    (accuracy,) = ours[name].result["metrics"]
    for metric in own:
        assert [sample[metric] for sample in samples] == ours[name].scores
        assert own[metric] == pytest.approx(accuracy["value"], abs=1e-12)
    assert 0.1 < accuracy["value"] < 0.9
    chosen = [max(range(len(sample["resps"])), key=lambda i: float(sample["resps"][i][0][0])) for sample in samples]
    assert max(chosen.count(choice) for choice in set(chosen)) < 0.9 * N, "the model is to choose by the question"
    shown = f"{task}: " + " and ".join(f"{metric} {value:.4f}" for metric, value in own.items())
    same = f"{accuracy['name']} {accuracy['value']:.4f}"
    print(f"\n| {checkpoint.name} | meds_likelihood.{name} | {accuracy['n']} | {shown} | {same} |")
