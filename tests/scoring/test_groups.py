"""Group results of a made-up suite, values by hand: means, pools, coverage, patients that several tasks share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.assets import asset_dir
from ehrbench.cli import app
from ehrbench.errors import UsageError
from ehrbench.results.groups import AVERAGES_TRACK, GroupResult, as_result, load_groups, read_group_results, read_groups
from ehrbench.results.store import read_results
from ehrbench.results.validate import check_result
from ehrbench.tasks.catalog import load_catalog

TASKS = """
defaults:
  version: 1
  data: {reader: jsonl, path: ward, policy: credentialed}
  prompt: {user: "{{ question }}"}
  metrics: [exact_match]
  primary: exact_match
tasks:
  - {task: ward.fever, data: {options: {file: fever.jsonl}}}
  - task: ward.pain
    data: {options: {file: pain.jsonl}}
    metrics: [exact_match_strict, exact_match]
    primary: exact_match_strict
  - {task: ward.sleep, data: {options: {file: sleep.jsonl}}}
"""
GROUPS = """
suite: ward
resample: shared
unit: patients
groups:
  - {group: ward.mean, title: Mean, tasks: [ward.fever, ward.pain], scores: [{label: EM, metric: exact_match*}]}
  - {group: ward.pool, title: Pool, tasks: [ward.fever, ward.sleep], combine: pooled, scores: [{label: EM, metric: primary}]}
  - group: ward.mixed
    title: Mixed
    column: false
    tasks: [ward.pain, {pooled: "ward.fever,ward.sleep"}]
    scores: [{label: EM, metric: exact_match}]
  - {group: ward.list, title: List, tasks: [ward], combine: none, scores: [{label: EM, metric: primary}]}
  - {group: ward.paper, title: Paper only, protocols: [paper], tasks: [ward], scores: [{label: EM, metric: primary}]}
"""
GOLDS = {"fever": ["a", "b"], "pain": ["a", "a", "b", "b"], "sleep": ["a", "a", "a", "b"]}
"""The model answers ``a`` to all: 1/2, 2/4, 3/4."""


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    (tmp_path / "tasks" / "ward").mkdir(parents=True)
    (tmp_path / "tasks" / "ward" / "ward.yaml").write_text(TASKS)
    (tmp_path / "tasks" / "ward" / "_groups.yaml").write_text(GROUPS)
    (tmp_path / "data" / "ward").mkdir(parents=True)
    for name, golds in GOLDS.items():
        lines = [
            json.dumps({"id": f"{name}{i}", "question": "?", "answer": gold, "group": f"patient {i}"})
            for i, gold in enumerate(golds)
        ]
        (tmp_path / "data" / "ward" / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


def run(root: Path, tasks: str = "ward", *more: str) -> dict[str, GroupResult]:
    answers = root / "answers.jsonl"
    items = [f"{name}{i}" for name, golds in GOLDS.items() for i in range(len(golds))]
    answers.write_text("\n".join(json.dumps({"item": item, "answer": "a"}) for item in items))
    arguments = ["run", "--model", f"replay:{answers}", "--tasks", tasks, "--data-dir", str(root / "data"), "-q"]
    shown = CliRunner().invoke(app, [*arguments, "--include-path", str(root / "tasks"), "--out", str(root / "out"), *more])
    assert shown.exit_code == 0, (shown.output, shown.exception)
    (path,) = (root / "out").rglob("*.groups.json")
    return {group.group: group for group in read_group_results(path)}


def test_values_by_hand(ward: Path) -> None:
    groups = run(ward)
    assert set(groups) == {"ward.mean", "ward.pool", "ward.mixed", "ward.list"}
    assert groups["ward.mean"].scores[0].value == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert groups["ward.pool"].scores[0].value == pytest.approx(4 / 6)
    assert groups["ward.pool"].n_groups == 4
    assert groups["ward.mixed"].scores[0].value == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert groups["ward.list"].scores == []
    assert [member.metrics[0].value for member in groups["ward.list"].members] == [0.5, 0.5, 0.75]
    mean = groups["ward.mean"]
    assert mean.scores[0].interval == "mean of 2 tasks' intervals, jackknife over 4 patients which the tasks share"
    assert (mean.n_tasks, mean.n_items, mean.n_groups, mean.partial) == (2, 6, 4, False)
    assert mean.scores[0].note == "over tasks with different metrics: exact_match, exact_match_strict"
    assert mean.data_policy == "credentialed"


def test_main_columns_are_results_that_validate(ward: Path) -> None:
    groups = run(ward)
    (path,) = (ward / "out").rglob("*.results.json")
    results = read_results(path)
    assert [result.task for result in results] == ["ward.mean", "ward.pool"]
    for result in results:
        assert list(check_result(result)) == []
        assert result.track == AVERAGES_TRACK
        assert sum(result.outcomes.values()) == result.n_items
    assert as_result(groups["ward.mixed"]) is None
    assert as_result(groups["ward.list"]) is None


def test_a_missing_task_leaves_a_gap_that_says_so(ward: Path) -> None:
    mean = run(ward, "ward.fever,ward.sleep")["ward.mean"]
    assert (mean.n_tasks, mean.n_tasks_expected, mean.partial) == (1, 2, True)
    assert mean.scores[0].missing == "1 of 2 tasks have it; --allow-partial combines them"
    mean = run(ward, "ward.fever,ward.sleep", "--allow-partial")["ward.mean"]
    assert mean.scores[0].value == 0.5
    assert mean.scores[0].note == "1 of 2 tasks have it"
    made = as_result(mean)
    assert made is not None
    assert made.track == f"{AVERAGES_TRACK}, partial"


def test_fewer_items_than_the_release_make_a_group_partial(ward: Path) -> None:
    file = ward / "tasks" / "ward" / "ward.yaml"
    file.write_text(file.read_text().replace("{file: fever.jsonl}}", "{file: fever.jsonl}}, expected_items: 2"))
    assert run(ward, "ward", "--limit", "1")["ward.mean"].partial


def test_faults_of_a_definition_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "_groups.yaml"
    path.write_text("suite: ward\ngroups:\n  - group: a\n    title: A\n    tasks: [x]\n    score: []\n")
    with pytest.raises(UsageError, match=r"_groups.yaml:3: groups.0.scores: Field required"):
        read_groups(path)
    path.write_text("suite: ward\ngroups: []\n")
    with pytest.raises(UsageError, match="_groups.yaml:2: groups"):
        read_groups(path)


def test_every_shipped_definition_names_tasks_that_exist() -> None:
    catalog = load_catalog()
    suites = [path.parent.name for path in asset_dir("tasks").rglob("_groups.yaml")]
    assert "meds_bench" in suites
    for suite in suites:
        definitions = load_groups(suite)
        assert definitions is not None
        assert definitions.suite == suite
        for group in definitions.groups:
            for part in group.tasks:
                assert catalog.match(part if isinstance(part, str) else part.pooled)
    assert load_groups("no_such_suite") is None


def test_published_rows_are_of_tasks_and_groups_that_exist() -> None:
    definitions = load_groups("meds_bench")
    assert definitions is not None
    names = {*load_catalog().names(), *(group.group for group in definitions.groups)}
    rows = read_results(asset_dir("published") / "meds_bench.results.json")
    assert {row.task for row in rows} <= names
