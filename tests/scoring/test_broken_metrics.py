"""Metrics of plugins that crash, return the wrong thing or leave their range: each costs itself and is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import EhrbenchError
from ehrbench.metrics import METRICS, Metric
from ehrbench.results.groups import read_group_results
from ehrbench.results.schema import Result
from ehrbench.results.store import find_results
from ehrbench.results.validate import check_result
from ehrbench.scoring.score import item_score, summarise
from tests.scoring.test_groups import ward

__all__ = ["ward"]


def halves(scorables):
    return [(0.5,) for _ in scorables]


def divides_by_zero(scorables):
    return [(1 / 0,) for _ in scorables]


def gives_floats(scorables):
    return [0.5 for _ in scorables]


def gives_too_few(scorables):
    return []


def gives_ragged(scorables):
    return [(0.5,) * (i + 1) for i, _ in enumerate(scorables)]


def gives_beyond(scorables):
    return [(1.5,) for _ in scorables]


def gives_sums(scorables):
    return [(-800.0,) for _ in scorables]


def raises(statistics):
    raise KeyError("the patient's text")


def overflows(statistics):
    import math

    return math.exp(-statistics[0])


def plugin(score: Callable = halves, **more) -> Metric:
    return Metric("broken", 1, "Broken", "item_mean", score, **more)


@pytest.fixture
def run(ward: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, list[Result]]]:
    def run(thing: object, *more: str, tasks: str = "ward.fever") -> tuple[int, str, list[Result]]:
        METRICS.get("exact_match")
        monkeypatch.setitem(METRICS._targets, "broken", thing)
        arguments = ["run", "--model", "baseline:empty", "--tasks", tasks, "--data-dir", str(ward / "data"), "-q"]
        arguments += ["--include-path", str(ward / "tasks"), "--out", str(ward / "out"), "--metrics", "broken,exact_match"]
        done = CliRunner().invoke(app, [*arguments, *more])
        said = str(done.exception) if isinstance(done.exception, EhrbenchError) else done.output
        code = done.exception.exit_code if isinstance(done.exception, EhrbenchError) else done.exit_code
        return code, said, [one.result for one in find_results([ward / "out"])[0]]

    return run


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (plugin(divides_by_zero), "metric 'broken' failed on item 'fever0' (ZeroDivisionError)"),
        (plugin(gives_floats), "metric 'broken' gave a float for item 'fever0'; expected a tuple of numbers"),
        (plugin(gives_too_few), "metric 'broken' gave 0 results for 2 items"),
        (plugin(gives_ragged), "metric 'broken' failed (ValueError)"),
        (plugin(item_score=raises), "metric 'broken' failed (KeyError)"),
        (plugin(aggregate="nothing"), "metric 'broken' failed (KeyError)"),
        (plugin(libraries=("no-such-package",)), "metric 'broken' failed (PackageNotFoundError)"),
    ],
)
def test_a_crash_names_the_package_and_keeps_the_others(run, metric: Metric, said: str) -> None:
    code, output, (result,) = run(metric)
    assert code == 5
    assert said in output
    assert "the metric is defined by the package 'tests'" in output
    assert "the patient's text" not in output
    assert result.metric("exact_match").value == 0.5
    assert said in result.metric("broken").missing
    assert check_result(result) == []


def test_what_is_no_metric_is_said_before_any_call(run) -> None:
    code, output, results = run(halves)
    assert (code, results) == (2, [])
    assert "metric 'broken' is registered as a function; expected an ehrbench.metrics.Metric" in " ".join(output.split())
    code, output, results = run("no_such_module_of_ours:METRIC")
    assert (code, results) == (2, [])
    assert "metric 'broken': the plugin that defines it cannot be imported (ModuleNotFoundError" in " ".join(output.split())


@pytest.mark.parametrize("names", ["exact_mach", "exact_match,,rouge_K", " , "])
def test_a_misspelt_metric_is_found_before_any_call(run, ward: Path, names: str) -> None:
    code, output, results = run(plugin(), "--metrics", names)
    assert (code, results) == (2, [])
    assert not list((ward / "out").rglob("predictions.jsonl"))
    assert "metric" in output


def test_values_outside_the_range_are_a_named_absence(run) -> None:
    code, _, (result,) = run(plugin(gives_beyond))
    assert code == 0
    assert result.metric("broken").missing == "2 of 2 items score outside the metric's own range of 0 to 1"
    assert result.metric("exact_match").value == 0.5
    code, _, (result,) = run(plugin(range=(0.0, float("inf"))))
    assert result.metric("broken").missing.startswith("the value cannot be stored: ")
    assert result.metric("broken").range == (0.0, 1.0)


def test_a_perplexity_beyond_what_can_be_stored_is_a_named_absence(run, ward: Path) -> None:
    metric = plugin(
        gives_sums, range=(0, 100), higher_is_better=False, bounded=False, aggregate="perplexity_of_mean", item_score=overflows
    )
    code, _, (result,) = run(metric)
    assert code == 0
    assert result.metric("broken").missing == "the value goes beyond 1e+12"
    (scores,) = (ward / "out").rglob("scores.jsonl")
    rows = [row for row in map(json.loads, scores.read_text().splitlines()) if row["metric"] == "broken"]
    assert [(row["score"], row["statistics"]) for row in rows] == [(None, [-800.0])] * 2


def test_a_storable_perplexity_keeps_its_value_where_the_interval_does_not() -> None:
    metric = plugin(bounded=False, aggregate="perplexity_of_mean", item_score=overflows)
    made = summarise(metric, [(-1.0,), (-2.0,), (-30.0,)], [None] * 3, 3)
    assert made.value == pytest.approx(59874.1417)
    assert (made.low, made.high, made.interval) == (None, None, "none: it goes beyond 1e+12")
    assert item_score(metric, (-800.0,)) is None


def test_metrics_of_a_suite_with_groups(run, ward: Path) -> None:
    """Neither metric is one that the group averages, and the tasks' own first metric was not asked for."""
    code, output, results = run(plugin(), "--metrics", "token_f1,broken", tasks="ward")
    assert code == 0, output
    runs = [result for result in results if result.track == ""]
    assert len(runs) == 3
    for result in runs:
        assert check_result(result) == []
        assert result.metric(result.primary).missing == "not asked for"
    (path,) = (ward / "out").rglob("*.groups.json")
    groups = {group.group: group for group in read_group_results(path)}
    assert groups["ward.mean"].members[0].missing == "not asked for"
    assert groups["ward.mixed"].members[0].missing == "has no metric exact_match"
    assert groups["ward.mean"].scores[0].value is None
