"""A metric that is missing or fails costs only itself, and numbers that another environment computed are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.metrics import METRICS, Metric, Scorable
from ehrbench.metrics.metric import ScoredAll, SourceRule
from ehrbench.models.loading import load_model
from ehrbench.neural.client import WorkerError
from ehrbench.results.store import read_result
from ehrbench.runs.execute import generate
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog


class State:
    """What the trial metric does."""

    reason: str | None = None
    error: Exception | None = None
    setting: str | None = None
    seen: list[Scorable]


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> State:
    """A source-augmented metric that can be made to lack or to fail."""
    state = State()
    state.seen = []

    def score_all(scorables, done):
        if state.error:
            raise state.error
        state.seen = list(scorables)
        return ScoredAll([(float(len(s.answer) % 7),) for s in scorables], ("2 of 3 texts were cut",))

    def words(texts):
        return [len(text.split()) for text in texts]

    bare = Metric("trial", 1, "Trial", "item_mean", lambda s: [], bounded=False, needs=frozenset({"source", "question"}))

    def configure(arguments):
        if state.setting:
            raise UsageError(state.setting)
        rule = SourceRule(arguments.get("trial.source", "bm25"), words, lambda s: [30] * len(s))
        return replace(
            bare,
            score_all=score_all,
            source=rule,
            unavailable=lambda: state.reason,
            settings={"size": arguments.get("trial.size", "1")},
        )

    monkeypatch.setitem(METRICS._targets, "trial", replace(bare, configure=configure))
    return state


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    """A finished run over three items of the sample, not scored yet."""
    task = load_catalog().get("medalign")
    task = task.model_copy(update={"metrics": ("rouge_l", "trial"), "primary": "rouge_l"})
    model = load_model("baseline:newest", {}, None)
    options = RunOptions(data_dir="sample", out=tmp_path, model="baseline:newest", limit=3)
    folder, _ = generate(prepare(task, model, options), command="test")
    yield folder
    model.close()


def stored(folder: RunFolder) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in read_result(folder.result).metrics}


def test_sources_come_from_the_records_and_notes_reach_the_result(folder: RunFolder, trial: State) -> None:
    run = load_run(folder)
    result = score_run(run)
    assert result.metric("trial").note == "2 of 3 texts were cut"  # type: ignore[union-attr]
    assert result.metric("trial").signature == "trial|v:1|size:1"  # type: ignore[union-attr]
    assert run.load_record is not None
    for scorable, item in zip(trial.seen, run.items, strict=True):
        text = run.load_record(item.record_id or "").text
        assert scorable.source and len(scorable.source.split()) <= 30
        assert all(word in text for word in scorable.source.split())
    score_run(run, ["trial"], arguments={"trial.source": "instruction", "trial.size": "2"})
    assert [s.source for s in trial.seen] == [item.question for item in run.items]
    assert read_result(folder.result).metric("trial").signature.endswith("size:2")  # type: ignore[union-attr]


def test_a_missing_default_is_noted_and_one_asked_for_by_name_is_an_error(folder: RunFolder, trial: State) -> None:
    trial.reason = "Trial needs weights: fetch them."
    result = score_run(load_run(folder))
    assert result.metric("trial").missing == trial.reason  # type: ignore[union-attr]
    assert result.metric("rouge_l").value is not None  # type: ignore[union-attr]
    with pytest.raises(MissingError, match="fetch them"):
        score_run(load_run(folder), ["trial"])


def test_a_failure_is_raised_after_the_others_are_written(folder: RunFolder, trial: State) -> None:
    trial.error = WorkerError("the metrics' worker was killed by SIGKILL")
    with pytest.raises(EhrbenchError, match="SIGKILL"):
        score_run(load_run(folder), ["rouge_l", "trial"])
    assert stored(folder)["rouge_l"] is not None
    told: list[str] = []
    result = score_run(load_run(folder), failed=lambda name, error: told.append(name))
    assert told == ["trial"] and result.metric("trial").missing.startswith(str(trial.error))  # type: ignore[union-attr]


def test_a_number_outlives_an_environment_that_lacks_the_metric(folder: RunFolder, trial: State) -> None:
    score_run(load_run(folder))
    before, rows = stored(folder), folder.scores.read_text("utf-8")
    for trial.reason, trial.error in (("lacking", None), (None, WorkerError("killed"))):
        score_run(load_run(folder), failed=lambda name, error: None)
        assert stored(folder) == before
        assert sorted(folder.scores.read_text("utf-8").splitlines()) == sorted(rows.splitlines())


def test_it_does_not_outlive_other_answers(folder: RunFolder, trial: State) -> None:
    import os

    score_run(load_run(folder))
    trial.reason = "lacking"
    later = folder.result.stat().st_mtime_ns + 10_000_000_000
    os.utime(folder.predictions, ns=(later, later))
    score_run(load_run(folder))
    assert stored(folder)["trial"] is None
    assert not any(json.loads(line)["metric"] == "trial" for line in folder.scores.read_text("utf-8").splitlines())


def test_the_command_exits_5_when_a_metric_failed_and_the_rest_is_there(folder: RunFolder, trial: State) -> None:
    trial.error = WorkerError("the metrics' worker was killed by SIGKILL")
    done = CliRunner().invoke(app, ["score", str(folder.path), "--metric-arg", "trial.size=3"])
    assert done.exit_code == 5
    assert "killed by SIGKILL" in done.output
    assert stored(folder)["rouge_l"] is not None


def test_a_wrong_setting_in_the_environment_costs_the_default_metric_only(folder: RunFolder, trial: State) -> None:
    trial.setting = "trial.size is 'x': expected a number"
    told: list[str] = []
    result = score_run(load_run(folder), failed=lambda name, error: told.append(name))
    assert told == ["trial"] and result.metric("trial").missing == trial.setting  # type: ignore[union-attr]
    assert stored(folder)["rouge_l"] is not None
    with pytest.raises(UsageError, match="expected a number"):
        score_run(load_run(folder), ["trial"])
    listed = CliRunner().invoke(app, ["metrics", "list"])
    assert listed.exit_code == 0 and f"trial: {trial.setting}" in listed.stdout
