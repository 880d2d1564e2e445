"""Every metric of lm-eval's registry, several answers a question, and groups: as lm-eval has it, or refused in a sentence."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from ehrbench.errors import UsageError
from ehrbench.models import Request, Response
from ehrbench.models.capabilities import Likelihood, LikelihoodRequest, LikelihoodResponse
from ehrbench.models.protocol import Model
from ehrbench.results.schema import Result
from ehrbench.runs.dry_run import estimate_run
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.lm_eval

N = 24
WORDS = ["sodium", "is", "low", "and", "the", "fever", "fell", "today", "no", "drug"]


def words(seed: int, n: int) -> str:
    return " ".join(WORDS[(seed * 7 + 3 * k + k * k * seed) % len(WORDS)] for k in range(n))


def write(folder: Path, name: str, body: str) -> str:
    data = folder / "data.jsonl"
    rows = [
        {
            "id": i,
            "q": f"Question {i}?",
            "gold": i * i % 3,
            "yes": i % 2,
            "text": words(i, 3 + i % 5),
            "texts": [words(i + i % 2, 6), words(i + 1, 7)],
        }
        for i in range(N)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    head = f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\ntest_split: test\n"
    (folder / f"{name}.yaml").write_text(f"{head}doc_to_text: '{{{{q}}}}'\n{body}")
    return name


def metrics(*names: str) -> str:
    return "metric_list:\n" + "".join(f"  - {{metric: {name}}}\n" for name in names)


def likelihood(context: str, continuation: str) -> float:
    """Any number that depends on both."""
    return -1 - (sum(map(ord, context)) * 31 + sum(map(ord, continuation)) * 17) % 101 / 37


class Likelihoods(ScriptedModel):
    def log_likelihoods(self, requests: Any) -> Any:
        def one(request: LikelihoodRequest) -> LikelihoodResponse:
            return LikelihoodResponse(request.id, tuple(Likelihood(likelihood(a, b), False) for a, b in request.texts))

        return (one(request) for request in requests)


def answer_of(doc: int, time: int) -> str:
    """Right for some, near for others; of several answers the second and the third agree where the number is odd."""
    return words(doc, 3 + doc % 5 - (doc % 3 == 0)) if doc % 2 and time else words(doc + time, 4)


def theirs(folder: Path, name: str) -> Mapping[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Canned(LM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            seen: Counter[int] = Counter()
            answers = []
            for one in requests:
                answers.append(answer_of(one.doc["id"], seen[one.doc["id"]]))
                seen[one.doc["id"]] += 1
            return answers

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            return [(likelihood(*one.args), False) for one in requests]

        def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
            raise NotImplementedError

    manager = TaskManager(include_defaults=False, include_path=str(folder))
    found: Any = simple_evaluate(model=Canned(), tasks=[name], task_manager=manager, bootstrap_iters=0)
    results: Mapping[str, Any] = found["results"]
    return results


def time(request: Request) -> int:
    """Which of an item's answers is asked for, from 0."""
    _, *times = request.id.removeprefix(f"{request.item}#").split("#")
    return int(times[0]) if times else 0


def ours(
    folder: Path, name: str, out: Path, model: Model | None = None, ask: Callable[[Request], Response] | None = None
) -> list[Result]:
    def answer(request: Request) -> Response:
        return Response(request.id, answer_of(int(request.item), time(request)))

    answering = model or ScriptedModel(ask or answer, streaming=False)
    found = []
    for task in load_catalog((folder,)).select(f"lm_eval:{name}"):
        made, _ = generate(prepare(task, answering, RunOptions(data_dir=None, out=out, include_paths=(folder,))))
        found.append(score_run(load_run(made)))
    return found


def compare(result: Result, own: Mapping[str, Any]) -> dict[str, float]:
    values = {}
    for metric in result.metrics:
        plain, _, filter_ = metric.name.removeprefix("lm_eval.").rpartition("@")[0].partition("/")
        plain = plain or metric.name.removeprefix("lm_eval.").partition("!")[0].partition("/")[0]
        filter_ = filter_ or metric.name.partition("@")[0].partition("!")[0].partition("/")[2]
        values[metric.name] = metric.value or 0.0
        assert metric.value == pytest.approx(own[f"{plain},{filter_ or 'none'}"]), metric.name
        assert metric.n == N
        assert metric.low is not None and metric.high is not None and metric.low <= metric.value <= metric.high
    return values


CHOICES = "output_type: multiple_choice\ndoc_to_choice: ['fever', 'low sodium', 'no']\ndoc_to_target: gold\n"
WRITTEN = "output_type: generate_until\ndoc_to_target: text\ngeneration_kwargs: {until: ['.']}\n"


def test_metrics_of_choices(tmp_path: Path) -> None:
    names = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "mcc", "brier_score")
    name = write(tmp_path, "choices", CHOICES + metrics(*names))
    (result,) = ours(tmp_path, name, tmp_path / "out", Likelihoods())
    assert len(result.metrics) == len(names)
    values = compare(result, theirs(tmp_path, name)[name])
    assert 0 < values["lm_eval.acc"] < 1
    assert -1 < values["lm_eval.mcc@matthews_corrcoef"] < 1 and values["lm_eval.mcc@matthews_corrcoef"] != 0
    assert values["lm_eval.brier_score@brier_score!lower"] > 0


def test_f1_of_two_classes(tmp_path: Path) -> None:
    two = "output_type: multiple_choice\ndoc_to_choice: ['no', 'yes']\ndoc_to_target: 'yes'\n" + metrics("f1", "mcc")
    name = write(tmp_path, "two", two.replace("'yes'\n", '"yes"\n'))
    (result,) = ours(tmp_path, name, tmp_path / "out", Likelihoods())
    assert 0 < compare(result, theirs(tmp_path, name)[name])["lm_eval.f1@f1"] < 1


def test_f1_of_more_classes_is_refused(tmp_path: Path) -> None:
    name = write(tmp_path, "three", CHOICES + metrics("f1"))
    with pytest.raises(UsageError, match=r"its values of 'f1' are not of the form that 'f1' takes \(ValueError\)"):
        ours(tmp_path, name, tmp_path / "out", Likelihoods())


@pytest.mark.parametrize("target", ["text", "texts"])
def test_metrics_of_texts(target: str, tmp_path: Path) -> None:
    names = ("bleu", "chrf", "chrf++", "ter")
    body = WRITTEN + metrics(*names)
    if target == "texts":  # several references: the task's own code gives them, as lm-eval's own tasks do
        (tmp_path / "own.py").write_text(
            "def results(doc, found):\n    pair = (doc['texts'], found[0])\n"
            "    return dict.fromkeys(['bleu', 'chrf', 'chrf++', 'ter'], pair)\n"
        )
        body = WRITTEN + "process_results: !function own.results\n" + metrics(*names)
    name = write(tmp_path, f"of_{target}", body)
    (result,) = ours(tmp_path, name, tmp_path / "out")
    assert len(result.metrics) == 4
    values = compare(result, theirs(tmp_path, name)[name])
    assert all(value > 1 for value in values.values()), values


def test_median(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def results(doc, found):\n    return {'length': len(found[0])}\n")
    body = (
        "process_results: !function own.results\nmetric_list: [{metric: length, aggregation: median, higher_is_better: true}]\n"
    )
    name = write(tmp_path, "middle", WRITTEN + body)
    (result,) = ours(tmp_path, name, tmp_path / "out")
    assert compare(result, theirs(tmp_path, name)[name])["lm_eval.length@median"] > 3


SAMPLED = (
    WRITTEN.replace("{until: ['.']}", "{until: ['.'], do_sample: true, temperature: 0.7}")
    + metrics("exact_match")
    + "repeats: 3\n"
)
VOTES = """filter_list:
  - {name: first, filter: [{function: take_first}]}
  - {name: majority, filter: [{function: majority_vote}, {function: take_first}]}
"""


def test_several_answers_a_question(tmp_path: Path) -> None:
    name = write(tmp_path, "repeated", SAMPLED + VOTES)
    (result,) = ours(tmp_path, name, tmp_path / "out")
    values = compare(result, theirs(tmp_path, name)[name])
    assert values["lm_eval.exact_match/first"] != values["lm_eval.exact_match/majority"]
    (path,) = (tmp_path / "out").rglob("predictions.jsonl")
    stored = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(stored) == N
    (task,) = load_catalog((tmp_path,)).select(f"lm_eval:{name}")
    assert estimate_run(prepare(task, ScriptedModel(), RunOptions(include_paths=(tmp_path,)))).calls == 3 * N
    assert json.loads(stored[3]["answer"]) == [answer_of(int(stored[3]["item"]), time) for time in range(3)]


def test_greedy_answers_are_asked_for_once(tmp_path: Path) -> None:
    name = write(tmp_path, "greedy", SAMPLED.replace("do_sample: true, temperature: 0.7", "do_sample: false") + VOTES)
    model = ScriptedModel(lambda request: Response(request.id, answer_of(int(request.item), 0)), streaming=False)
    (result,) = ours(tmp_path, name, tmp_path / "out", model)
    assert len(model.asked) == N
    assert len({metric.value for metric in result.metrics}) == 1


def test_one_failure_among_several_answers_is_the_items(tmp_path: Path) -> None:
    def ask(request: Request) -> Response:
        if request.item == "5" and time(request) == 2:
            return Response(request.id, finish="error", error="HTTP 500")
        return Response(request.id, answer_of(int(request.item), time(request)))

    name = write(tmp_path, "failing", SAMPLED)
    (result,) = ours(tmp_path, name, tmp_path / "out", ask=ask)
    assert result.outcomes == {"answered": N - 1, "api_error": 1}
    assert result.metrics[0].n == N - 1


def test_likelihoods_are_the_same_each_time(tmp_path: Path) -> None:
    name = write(tmp_path, "again", CHOICES + metrics("acc") + "repeats: 3\n")
    (result,) = ours(tmp_path, name, tmp_path / "out", Likelihoods())
    compare(result, theirs(tmp_path, name)[name])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (WRITTEN + metrics("bypass"), r"none of its metrics can be computed here: bypass \(it measures nothing\)"),
        (CHOICES + metrics("likelihood"), r"likelihood \(lm-eval gives none for tasks of the type multiple_choice\)"),
        (CHOICES + metrics("perplexity"), r"perplexity \(lm-eval gives none for tasks of the type multiple_choice\)"),
        (
            "output_type: loglikelihood\ndoc_to_target: text\n" + metrics("acc_all"),
            r"acc_all \(lm-eval gives none for tasks of the type loglikelihood\)",
        ),
        (
            WRITTEN + "metric_list: [{metric: bleurt, aggregation: mean, higher_is_better: true}]\n",
            r"bleurt \(neither lm-eval nor the library evaluate has it on this machine\)",
        ),
        (
            WRITTEN + "metric_list: [{metric: exact_match, aggregation: !function own.total, higher_is_better: true}]\n",
            r"exact_match \(its aggregation is none of mean, nanmean, median,",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_before_anything_is_asked(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def total(values):\n    return sum(values)\n")
    name = write(tmp_path, "refused", body)
    with pytest.raises(UsageError, match=message):
        load_catalog((tmp_path,)).select(f"lm_eval:{name}")


def test_what_is_left_out_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = write(tmp_path, "partly", CHOICES + metrics("acc", "likelihood"))
    with caplog.at_level(logging.WARNING):
        (task,) = load_catalog((tmp_path,)).select(f"lm_eval:{name}")
    assert task.metrics == ("lm_eval.acc",)
    assert "lm-eval task 'partly' is scored without likelihood (lm-eval gives none" in caplog.text


def test_a_metric_that_the_tasks_code_calls_otherwise(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def results(doc, found):\n    return {'pass@1': float(len(found[0]) > 12)}\n")
    own = (
        "process_results: !function own.results\nmetric_list: [{metric: pass_at_k, aggregation: mean, higher_is_better: true}]\n"
    )
    name = write(tmp_path, "renamed", WRITTEN + own)
    with pytest.raises(UsageError, match=r"gives no 'pass_at_k', but pass@1: ask for one of these with --metrics lm_eval.NAME"):
        ours(tmp_path, name, tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("manifest.json")
    result = score_run(load_run(_folder(path)), ["lm_eval.pass@1"])
    assert {m.name: m.value for m in result.metrics}["lm_eval.pass@1"] == pytest.approx(
        theirs(tmp_path, name)[name]["pass@1,none"]
    )


def _folder(path: Path) -> Any:
    from ehrbench.runs.folder import RunFolder

    return RunFolder(path.parent)


def test_a_fault_in_the_tasks_code_names_the_item_and_no_text(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def results(doc, found):\n    raise KeyError(doc['text'])\n")
    body = "process_results: !function own.results\nmetric_list: [{metric: m, aggregation: mean, higher_is_better: true}]\n"
    name = write(tmp_path, "broken", WRITTEN + body)
    with pytest.raises(
        UsageError, match=r"scoring item 0 failed in lm-eval or in the task's own code \(KeyError\); correct"
    ) as caught:
        ours(tmp_path, name, tmp_path / "out")
    assert words(0, 3) not in str(caught.value)


def test_a_group_of_theirs(tmp_path: Path) -> None:
    write(tmp_path, "one", CHOICES + metrics("acc"))
    write(tmp_path, "two", CHOICES + metrics("acc_norm"))
    (tmp_path / "group.yaml").write_text("group: both\ntask:\n  - one\n  - two\n")
    found = load_catalog((tmp_path,)).select("lm_eval:both")
    assert [task.task for task in found] == ["lm_eval.one", "lm_eval.two"]
    with pytest.raises(UsageError, match=r"'both' is lm-eval's \(.*group.yaml\): ask for it as lm_eval:both"):
        load_catalog((tmp_path,)).select("both")
    (tmp_path / "wrong.yaml").write_text("group: wrong\ntask:\n  - one\n  - nobodys_task\n")
    with pytest.raises(UsageError, match=r"lm-eval group 'wrong': unknown task 'nobodys_task'"):
        load_catalog((tmp_path,)).select("lm_eval:wrong")
