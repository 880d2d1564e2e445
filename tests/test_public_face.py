"""The public face: one call to evaluate, frames in and out, decorators, and errors of one class each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import ehrbench
from ehrbench.metrics import METRICS
from ehrbench.models import Request, Response
from ehrbench.runs.events import ItemFinished, TaskFinished, TaskStarted

RATINGS = {
    "item": ["1", "1", "1", "2", "2", "2", "3", "3", "3"],
    "rater": ["r"] * 9,
    "system": ["a", "b", "c"] * 3,
    "rank": [1, 2, 3, 1, 3, 2, 2, 1, 3],
    "correct": ["yes", "no", "no"] * 3,
}
SCORES = {
    "item": RATINGS["item"],
    "system": RATINGS["system"],
    "metric": ["mine"] * 9,
    "score": [0.9, 0.5, 0.1, 0.8, 0.2, 0.4, 0.6, 0.7, 0.3],
}


class Parrot:
    """Answers with the end of the prompt."""

    name, revision, is_remote = "parrot", "1", False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        for request in requests:
            self.asked.append(request.item)
            yield Response(request.id, request.messages[-1].content[-40:])


def test_everything_that_is_documented_is_there_and_nothing_is_loaded_before_its_use() -> None:
    for name in ehrbench.__all__:
        assert getattr(ehrbench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        ehrbench.evalute  # noqa: B018


def test_a_model_object_of_ones_own(tmp_path: Path) -> None:
    parrot, events = Parrot(), []
    results = ehrbench.evaluate(parrot, ["medalign"], data_dir="sample", limit=6, out=tmp_path, on_event=events.append)
    assert [result.task for result in results] == ["medalign"]
    result = results["medalign"]
    assert (result.model.name, result.n_items, result.command) == ("parrot", 6, "ehrbench.evaluate")
    assert [type(event) for event in events if isinstance(event, (TaskStarted, TaskFinished))] == [TaskStarted, TaskFinished]
    assert len([event for event in events if isinstance(event, ItemFinished)]) == len(set(parrot.asked)) == 6
    frame = results.to_frame()
    assert frame.height == len(result.metrics) and set(frame["model"]) == {"parrot"}
    assert frame.filter(pl.col("primary"))["metric"].to_list() == [result.primary]
    items = results.items("medalign")
    assert items.height == 6 and items["rouge_l"].null_count() == 0
    assert "parrot" in results._repr_html_() and "<table>" in results._repr_html_()
    again = Parrot()
    repeated = ehrbench.evaluate(again, "medalign", data_dir="sample", limit=6, out=tmp_path)
    assert again.asked == [] and repeated["medalign"].metrics == result.metrics
    loaded = ehrbench.load_results(tmp_path)
    assert loaded["medalign"] == repeated["medalign"] and loaded.items().height == 6


def test_a_function_is_a_model_and_never_takes_over_answers_of_another(tmp_path: Path) -> None:
    answers = [ehrbench.evaluate(lambda _, a=a: a, "medalign", data_dir="sample", limit=2, out=tmp_path) for a in ("yes", "no")]
    assert [set(one.items()["answer"]) for one in answers] == [{"yes"}, {"no"}]


def test_several_models_and_a_baseline(tmp_path: Path) -> None:
    results = ehrbench.evaluate(["baseline:empty", Parrot()], "medalign", data_dir="sample", limit=3, out=tmp_path)
    assert [result.model.name for result in results] == ["empty", "parrot"]
    with pytest.raises(ehrbench.UsageError, match="2 results are of task 'medalign'"):
        results["medalign"]
    report = ehrbench.compare(results[:1], results[1:])
    assert [row.n for row in report.rows] == [3]


def test_it_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    async def notebook() -> Any:
        return ehrbench.evaluate("baseline:bm25", "medalign", data_dir="sample", limit=2, out=tmp_path)

    assert len(asyncio.run(notebook())) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"tasks": "medalgn"}, "did you mean 'medalign'"),
        ({"context": "squeeze"}, "--context is 'squeeze': expected truncate"),
        ({"temprature": 1.0}, "unknown option 'temprature' .did you mean 'temperature'"),
        ({"limit": 0}, "expected at least 1"),
        ({"model": object()}, "a model object needs a method generate"),
        ({"model": Parrot}, "give an object of it: Parrot"),
        ({"model": lambda _: 5}, "returned a int; expected the answer as a text"),
        ({"metrics": ["rogue_l"]}, "did you mean 'rouge_l'"),
    ],
)
def test_wrong_calls_are_one_sentence(tmp_path: Path, arguments: dict[str, Any], expected: str) -> None:
    call = {"model": "baseline:empty", "tasks": "medalign", "data_dir": "sample", "out": tmp_path, "limit": 2, **arguments}
    with pytest.raises(ehrbench.UsageError, match=expected):
        ehrbench.evaluate(call.pop("model"), call.pop("tasks"), **call)


def test_credentialed_text_goes_to_no_object_that_does_not_say_where_it_sends_it(tmp_path: Path) -> None:
    with pytest.raises(ehrbench.PolicyError, match="set is_remote = False"):
        ehrbench.evaluate(lambda _: "", "medalign", data_dir=str(tmp_path), out=tmp_path)


class Broken:
    name = "broken"

    def __init__(self, responses: list[Any]) -> None:
        self.responses = responses

    def generate(self, requests: Iterable[Request]) -> Iterator[Any]:
        list(requests)
        yield from self.responses


@pytest.mark.parametrize(
    ("responses", "expected"),
    [(["text"], "yields a str; expected"), ([Response("?")], "which was not asked"), ([], "left 2 of 2 requests without")],
)
def test_a_model_that_breaks_its_contract_is_named(tmp_path: Path, responses: list[Any], expected: str) -> None:
    with pytest.raises(ehrbench.UsageError, match=expected):
        ehrbench.evaluate(Broken(responses), "medalign", data_dir="sample", limit=2, out=tmp_path)


@pytest.mark.parametrize(
    "make", [dict, pl.DataFrame, lambda x: [dict(zip(x, row, strict=True)) for row in zip(*x.values(), strict=True)]]
)
def test_frames_of_ratings_and_scores(make: Any) -> None:
    report = ehrbench.correlate(make(RATINGS), make(SCORES), resamples=100)
    assert [(m.name, m.value.value) for m in report.metrics] == [("mine", 1.0)]
    people = ehrbench.human_stats(make(RATINGS))
    assert people.names[0] == "a" and people.systems[0].correct.value == 1.0


def test_pandas_frames_are_read_without_a_further_package(tmp_path: Path) -> None:
    import pandas

    ratings = pandas.DataFrame(RATINGS)
    assert ehrbench.human_stats(ratings).names[0] == "a"
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    assert ehrbench.human_stats(tmp_path / "ratings.csv").names[0] == "a"


@pytest.mark.parametrize(
    ("ratings", "options", "expected"),
    [
        ({"item": ["1"], "system": ["a"], "rank": [1]}, {}, "no column 'rater'"),
        (5, {}, "a int is not a table"),
        (RATINGS, {"tau": "d"}, "tau is 'd': expected b"),
        (RATINGS, {"resample": 5}, "unknown option 'resample'"),
    ],
)
def test_wrong_frames_and_options(ratings: Any, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ehrbench.UsageError, match=expected):
        ehrbench.human_stats(ratings, **options)


def test_a_metric_over_texts_of_ones_own() -> None:
    scored = ehrbench.metric("rouge_l").score(["a b", "c"], [["a b", "x"], "y"])
    assert (scored.value, scored.items) == (0.5, [1.0, 0.0])
    with pytest.raises(ehrbench.UsageError, match="2 answers, 1 references"):
        ehrbench.metric("rouge_l").score(["a", "b"], ["a"])
    with pytest.raises(ehrbench.UsageError, match="needs choices and probabilities"):
        ehrbench.metric("auroc").score(["a"], ["b"])


def test_decorators_register_and_refuse_a_name_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(METRICS)  # suites and plugins have registered theirs
    monkeypatch.setattr(METRICS, "_targets", {**METRICS._targets})  # what is registered here is gone afterwards

    @ehrbench.register.metric("length_match_of_test", label="Length")
    def length_match(answer: str, references: Any) -> float:
        return float(len(answer) == len(references[0]))

    results = ehrbench.evaluate(
        "baseline:empty", "medalign", data_dir="sample", limit=2, out=tmp_path, metrics=["length_match_of_test"]
    )
    assert results["medalign"].metric("length_match_of_test").value == 0.0
    with pytest.raises(ehrbench.UsageError, match="registered twice"):
        ehrbench.register.metric("rouge_l")(lambda answer, references: 0.0)


def test_load_tasks_and_models() -> None:
    assert [task.task for task in ehrbench.load_tasks("medalign")] == ["medalign"]
    assert len(ehrbench.load_tasks()) > 100
    model = ehrbench.load_model("baseline:bm25")
    assert model.identity.name == "bm25"
    model.close()


def test_a_model_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    class Breaks(Parrot):
        name = "breaks"

        def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
            raise RuntimeError("the patient said")

    models = [Breaks(), "replay:no-such-file.jsonl", "baseline:empty", Parrot()]
    given: dict[str, Any] = {"data_dir": "sample", "limit": 2, "out": tmp_path}
    with pytest.raises(ehrbench.SomeModelsFailed) as caught:
        ehrbench.evaluate(models, ["medalign", "mimic_instr.schema"], **given)
    error = caught.value
    assert [(result.model.name, result.task) for result in error.results] == [
        (model, task) for model in ("empty", "parrot") for task in ("medalign", "mimic_instr.schema")
    ]
    assert list(error.failed) == ["breaks", "replay:no-such-file.jsonl"] and error.exit_code == 1
    assert isinstance(error.failed["breaks"], RuntimeError) and error.__cause__ is error.failed["breaks"]
    assert "breaks: RuntimeError" in str(error) and "patient" not in str(error) and "no-such-file.jsonl" in str(error)
    assert error.results.groups == [] or all(group.model.name != "breaks" for group in error.results.groups)
    with pytest.raises(RuntimeError):
        ehrbench.evaluate(Breaks(), "medalign", **given)
    with pytest.raises(ehrbench.MissingError, match="no data|not"):
        ehrbench.evaluate(["baseline:empty", Parrot()], "medalign", **{**given, "data_dir": tmp_path / "nowhere"})


def test_what_is_wrong_for_every_model_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ehrbench.UsageError, match="unknown task"):
        ehrbench.evaluate(["baseline:empty", Parrot()], "medalgin", data_dir="sample", out=tmp_path)
