"""Our tasks run by lm-eval's own command line: the prompts are ours, and so are the answers and the scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

from ehrbench.cli import app
from ehrbench.errors import UsageError
from ehrbench.exports.lm_eval import CHAT, FEWSHOT, LIMITS, PLAIN, Wanted, export_tasks
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Model
from ehrbench.runs.choices import choice_spellings
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.plan import plan_work
from ehrbench.runs.prepared import Prepared, prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import environment
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.lm_eval

TASKS = {
    "meds_bench.explanation.biolord": "generate_until, 3 examples, system",
    "meds_bench.mcqa.medqa": "generate_until, system",
    "meds_bench.ner.bc5chem": "generate_until, 3 examples, system",
    "ehr_bench.decision.next_event": "generate_until, record, system",
    "meds_likelihood.medqa": "multiple_choice",
    "meds_likelihood.pubmedqa": "multiple_choice",
}


class Theirs(NamedTuple):
    """What one call of lm-eval left behind, by our task's name."""

    results: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, list[Mapping[str, Any]]]


@pytest.fixture(scope="module", params=["plain", "chat"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def checkpoint(way: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its generation settings name end tokens alone: lm-eval lets a checkpoint's repetition penalty through, we do not."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    made = tiny_llama(folder, context=8192, chat_template=way == "chat", eos_scale=1.6)
    settings = json.loads((made / "generation_config.json").read_text())
    kept = {key: value for key, value in settings.items() if key.endswith("_token_id")}
    (made / "generation_config.json").write_text(json.dumps(kept))
    return made


@pytest.fixture(scope="module")
def theirs(way: str, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    """``ehrbench tasks export-lm-eval``, then ``lm_eval run`` in a process of its own."""
    folder = tmp_path_factory.mktemp("exported")
    more = ["--chat"] if way == "chat" else []
    exported = CliRunner().invoke(
        app, ["tasks", "export-lm-eval", str(folder), "--tasks", ",".join(TASKS), "--data-dir", "sample", *more]
    )
    assert exported.exit_code == 0, (exported.output, exported.exception)
    for line in (*LIMITS, CHAT if way == "chat" else PLAIN, FEWSHOT):
        assert f"note: {line}" in exported.stderr
    out = folder / "out"
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf"]
    command += ["--model_args", f"pretrained={checkpoint},dtype=float32", "--device", "cpu"]
    command += ["--include_path", str(folder), "--tasks", ",".join(exported_name(task) for task in TASKS)]
    command += ["--log_samples", "--output_path", str(out), *(["--apply_chat_template"] if way == "chat" else [])]
    done = subprocess.run(
        command, env=environment(folder / "home"), cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = out.rglob("results_*.json")
    results = json.loads(found.read_text())["results"]
    samples = {}
    for task in TASKS:
        (path,) = out.rglob(f"samples_{exported_name(task)}_*.jsonl")
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        samples[task] = sorted(lines, key=lambda line: int(line["doc_id"]))
    return Theirs({task: results[exported_name(task)] for task in TASKS}, samples)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load_model(f"hf:{checkpoint}", {"dtype": "float32", "device": "cpu"}, None)


def exported_name(task: str) -> str:
    return f"ehrbench_{task.replace('.', '_')}"


def prepared(task: str, model: Model, out: Path) -> Prepared:
    spec = load_catalog(()).get(task, "clean")
    context: Any = None if spec.record is None else "full"
    return prepare(spec, model, RunOptions(data_dir="sample", out=out, context=context))


@pytest.mark.parametrize("task", TASKS)
def test_logged_prompts_are_ours(task: str, way: str, model: Model, theirs: Theirs, tmp_path: Path) -> None:
    run = prepared(task, model, tmp_path)
    ours = {work.item.id: work.request()[0] for work in plan_work(run, run.items, "") if not isinstance(work, tuple)}
    samples = theirs.samples[task]
    assert len(samples) == len(run.items) > 3
    for item, sample in zip(run.items, samples, strict=True):
        assert json.loads(sample["doc"]["item"])["id"] == item.id
        prompt = model.prompt_text(ours[item.id].messages)
        if way == "plain":  # the token that begins a text is in ours, and put there by lm-eval when it makes tokens
            prompt = prompt.removeprefix("<|begin_of_text|>")
        asked = list(sample["arguments"].values())
        assert {one["arg_0"] for one in asked} == {prompt}
        if "multiple_choice" in TASKS[task]:
            assert [one["arg_1"] for one in asked] == [spelling for (spelling,) in choice_spellings(run.task, item)]
        if "3 examples" in TASKS[task]:
            assert prompt.count("Output:") == 4
        if "system" in TASKS[task] and way == "chat":
            assert prompt.count("<|start_header_id|>system") == 1


@pytest.mark.parametrize("task", TASKS)
def test_answers_and_scores_are_ours(task: str, way: str, model: Model, theirs: Theirs, tmp_path: Path) -> None:
    """The table of parity; ``pytest -s`` prints it."""
    folder, predictions = generate(prepared(task, model, tmp_path))
    assert {prediction.outcome for prediction in predictions} <= {"answered", "unparsed"}
    result = score_run(load_run(folder))
    own = {key.partition(",")[0]: value for key, value in theirs.results[task].items() if key.endswith(",none")}
    own = {key: value for key, value in own.items() if not key.endswith("_stderr")}
    shown = {metric.name: metric.value for metric in result.metrics if metric.value is not None}
    assert own.keys() == shown.keys()
    if task == "meds_bench.explanation.biolord":
        answers = {prediction.item: prediction.answer for prediction in predictions}
        found = {json.loads(one["doc"]["item"])["id"]: one["resps"][0][0].strip() for one in theirs.samples[task]}
        assert found == answers
        assert len(set(answers.values())) > 3
    for name, value in own.items():
        assert shown[name] == pytest.approx(value, abs=1e-9), name
        print(f"\n| {way} | {task} | {name} | {value:.4f} | {shown[name]:.4f} |", end="")


@pytest.mark.parametrize(
    "task", ["medalign", "meds_bench.ner.bc5chem", "meds_bench.text_classification.hoc", "meds_bench.explanation.biolord"]
)
def test_scores_of_answers_that_are_partly_right(task: str, tmp_path: Path) -> None:
    """Means, micro-F1 over all items, macro-F1 over classes."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    from ehrbench.models import Response
    from tests.support.scripted import ScriptedModel

    run = prepared(task, ScriptedModel(), tmp_path)
    golds = [item.references[0] for item in run.items]
    answers = {item.id: golds[i] if i % 2 else f"{golds[i - 1]} {golds[i]}" for i, item in enumerate(run.items)}
    ours = prepared(task, ScriptedModel(lambda request: Response(request.id, answers[request.item])), tmp_path)
    result = score_run(load_run(generate(ours)[0]))

    class Repeats(LM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            return [answers[json.loads(one.doc["item"])["id"]] for one in requests]

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
            raise NotImplementedError

    export_tasks([run.task], tmp_path / "exported", Wanted(data_dir="sample"))
    manager = TaskManager(include_defaults=False, include_path=str(tmp_path / "exported"))
    theirs: Any = simple_evaluate(model=Repeats(), tasks=[exported_name(task)], task_manager=manager, bootstrap_iters=0)
    own = theirs["results"][exported_name(task)]
    shown = {f"{metric.name},none": metric.value for metric in result.metrics if metric.value is not None}
    assert shown and all(own[name] == pytest.approx(value) for name, value in shown.items())
    assert any(0 < value < 1 or value > 1 for value in shown.values())
    for name, value in shown.items():
        print(f"\n| given answers | {task} | {name.removesuffix(',none')} | {own[name]:.4f} | {value:.4f} |", end="")


def test_examples_seed_and_prompt_of_the_user(tmp_path: Path) -> None:
    from ehrbench.exports.lm_eval_run import documents

    task = load_catalog(()).get("meds_bench.ner.bc5chem", "clean")

    def prompts(wanted: Wanted) -> list[str]:
        import yaml

        (path,) = export_tasks([task], tmp_path, wanted)
        text = "\n".join(line for line in path.read_text("utf-8").splitlines() if "!function" not in line)
        found: list[str] = documents(**yaml.safe_load(text)["metadata"])["test"]["prompt"]
        return found

    default = prompts(Wanted(data_dir="sample"))
    assert all(prompt.count("Output:") == 4 for prompt in default)
    assert prompts(Wanted(data_dir="sample", seed=1)) != default
    assert all(prompt.count("Output:") == 3 for prompt in prompts(Wanted(data_dir="sample", num_fewshot=2)))
    assert all("to ouput." in prompt for prompt in prompts(Wanted(data_dir="sample", prompt="ouput")))


def test_a_users_own_task(tmp_path: Path) -> None:
    from ehrbench.exports.lm_eval_run import documents, score

    (tmp_path / "mine.yaml").write_text(
        "task: mine\nversion: 1\ndata: {reader: jsonl, path: mine, policy: open}\nprompt: {user: '{{ question }}'}\n"
        "metrics: [exact_match]\nprimary: exact_match\n"
    )
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "items.jsonl").write_text('{"id": "1", "question": "Where?", "answer": "here"}\n')
    wanted = Wanted(data_dir=str(tmp_path / "data"), include_paths=(str(tmp_path / "mine.yaml"),))
    (path,) = export_tasks([load_catalog([tmp_path / "mine.yaml"]).get("mine", "clean")], tmp_path / "out", wanted)
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("metadata:")]
    import yaml

    (row,) = documents(**yaml.safe_load(line)["metadata"])["test"]
    assert row["prompt"] == "Where?"
    assert score(row, ["here"]) == {"exact_match": 1.0}
    assert score(row, ["there"]) == {"exact_match": 0.0}


def test_probabilities_of_first_tokens_are_refused(tmp_path: Path) -> None:
    tasks = load_catalog(()).select("ehr_bench.risk.Inpatient_Mortality", "clean")
    with pytest.raises(UsageError, match="answered by probabilities of first tokens, which lm-eval does not give"):
        export_tasks(tasks, tmp_path / "out", Wanted(data_dir="sample"))
    assert not (tmp_path / "out").exists()
