"""Runs that differ in their seed alone are one number, with one interval and one rank, wherever it stands."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ehrbench import evaluate
from ehrbench.leaderboard.build import build, make_site
from ehrbench.leaderboard.check import check_site
from ehrbench.results import Result
from ehrbench.results.repeats import Repeats, write_repeats
from ehrbench.results.store import write_result
from ehrbench.results.supplements import Supplements
from tests.results.factory import make_metric, make_result
from tests.support.dice import Dice


def seeded(model: str, values: list[float], half: float = 0.02, task: str = "medalign", **changes: object) -> list[Result]:
    """Runs of a model under several seeds."""
    return [
        make_result(model, value, task, config_hash=f"{model}-{task}-{seed}", metrics=[make_metric(value, half)], **changes)
        for seed, value in enumerate(values)
    ]


def mean_of(runs: list[Result], half: float = 0.01, **changes: object) -> Repeats:
    """Their mean, with an interval that no single run has."""
    values = [run.metrics[0].value for run in runs]
    value = float(np.mean([one for one in values if one is not None]))
    metric = make_metric(value, half, interval="mean over 3 seeds, score interval, jackknife over 24 patients")
    data = {
        "task": runs[0].task,
        "protocol": "clean",
        "model": runs[0].model,
        "n_items": 40,
        "seeds": list(range(len(runs))),
        "config_hashes": [run.config_hash for run in runs],
        "metrics": [metric],
        "by_seed": {metric.name: values},
        "primary": metric.name,
    }
    return Repeats.model_validate(data | changes)


def table(site: dict[str, str], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(site[f"data/{name}.csv"])))


def test_several_seeds_are_one_row_with_the_means_interval_and_rank_on_every_page() -> None:
    runs, other = seeded("a", [0.50, 0.52, 0.57]), make_result("b", 0.50, metrics=[make_metric(0.50, 0.005)])
    means = mean_of(runs)
    site = dict(make_site([*runs, other], supplements=Supplements(repeats=[means])))
    for name in ("tasks-medalign--clean_truncate_8192", "suites-medalign--clean_truncate_8192", "index--table-clean"):
        rows = [row for row in table(site, name) if row["model"] == "a" and row["metric"] == "rouge_l"]
        assert [(row["value"], row["low"], row["high"]) for row in rows] == [("0.53", "0.52", "0.54")], name
        # Each run alone reaches down to b, or is as wide as to be told apart from nothing: only the mean leads.
        assert [(row["rank_best"], row["rank_worst"]) for row in rows] == [("1", "1")], name
    for page in ("tasks/medalign.html", "models/a.html", "index.html"):
        numbers = re.findall(r"<b>(0\.\d+)</b>", site[page])
        assert "0.530" in numbers and not {"0.520", "0.570"} & set(numbers), page
    assert "n 40, 3 seeds" in site["tasks/medalign.html"]
    assert "40, 3 seeds" in site["models/a.html"] and "0: 0.5, 1: 0.52, 2: 0.57" in site["models/a.html"]
    assert all(run.config_hash in site["models/a.html"] for run in runs)
    assert 'id="seeds"' in site["methods.html"]
    assert site["data/results.csv"].count("\na,") == 3
    assert "configurations were run" not in "".join(site.values())


def test_a_site_of_the_downloads_is_the_same_site(tmp_path: Path) -> None:
    runs = [one for model in "ab" for one in seeded(model, [0.4, 0.5, 0.6], data_policy="open")]
    write_result(tmp_path / "in/all.results.json", runs)
    for own in (runs[:3], runs[3:]):
        write_repeats(tmp_path / "in", mean_of(own))
    built = build([tmp_path / "in"], tmp_path / "site")
    assert (built.n_results, built.problems) == (6, [])
    assert check_site(tmp_path / "site") == []
    data = tmp_path / "site/data"
    zipfile.ZipFile(data / "results--medalign.results.json.zip").extractall(tmp_path / "again")
    (tmp_path / "again/medalign.repeats.json").write_bytes((data / "results--medalign.repeats.json").read_bytes())
    again = build([tmp_path / "again"], tmp_path / "site")
    assert (again.n_changed, again.problems) == (0, [])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"config_hashes": ["a-medalign-0", "a-medalign-1", "gone"]}, "2 of its 3 runs are here"),
        ({"by_seed": {"rouge_l": [0.5, 0.5, 0.5]}}, "other numbers of rouge_l now"),
        ({"config_hashes": ["a-medalign-0", "a-medalign-1", "b-medalign-0"]}, "differ in more than their seed"),
        ({"config_hashes": ["a-medalign-0"] * 3}, "runs are here"),
    ],
)
def test_a_mean_that_does_not_fit_its_runs_is_left_out_by_name(fault: dict[str, object], said: str) -> None:
    runs = seeded("a", [0.50, 0.52, 0.57])
    results = [*runs, *seeded("b", [0.57])]
    site = dict(make_site(results, supplements=Supplements(repeats=[mean_of(runs, **fault)])))
    assert "a mean of medalign over 3 seeds is left out" in site["about.html"] and said in site["about.html"]
    assert "3 configurations were run" in "".join(site.values()) and "3 seeds" not in site["tasks/medalign.html"]


def test_the_mean_over_most_seeds_counts_and_further_runs_are_other_configurations() -> None:
    runs = seeded("a", [0.50, 0.52, 0.57, 0.1])
    means = [mean_of(runs[:2]), mean_of(runs[:3])]
    site = dict(make_site(runs, supplements=Supplements(repeats=means)))
    rows = [row for row in table(site, "suites-medalign--clean_truncate_8192") if row["metric"] == "rouge_l"]
    assert [row["value"] for row in rows] == ["0.53"]
    assert "2 configurations were run" in "".join(site.values())


def test_an_item_without_an_answer_under_one_seed_counts_as_unanswered() -> None:
    runs = seeded("a", [0.5, 0.5, 0.5])
    lost = make_metric(0.5, 0.02, n=30, strict_value=0.375)
    runs[1] = runs[1].model_copy(update={"metrics": [lost], "outcomes": {"answered": 30, "api_error": 10}})
    means = mean_of(runs, metrics=[make_metric(0.5, 0.01, n=40, strict_value=(0.5 + 0.375 + 0.5) / 3)])
    site = dict(make_site([*runs, make_result("b", 0.4)], supplements=Supplements(repeats=[means])))
    (row,) = [
        row for row in table(site, "tasks-medalign--clean_truncate_8192") if (row["model"], row["metric"]) == ("a", "rouge_l")
    ]
    assert float(row["value"]) == pytest.approx(1.375 / 3)
    assert float(row["low"]) == pytest.approx(1.375 / 3 - 0.01)
    assert "10 unanswered" in site["tasks/medalign.html"]


def test_means_of_few_patients_stay_hidden_and_texts_of_a_file_of_means_are_not_trusted() -> None:
    runs = seeded("a", [0.5, 0.52, 0.57], n_groups=9)
    site = dict(make_site(runs, supplements=Supplements(repeats=[mean_of(runs)])))
    assert "0.57" not in "".join(site.values()) and not any(name.endswith(".repeats.json") for name in site)
    runs = seeded("a", [0.5, 0.52, 0.57])
    told = mean_of(runs, metrics=[make_metric(0.53, 0.01, interval="Mrs Oduya of ward seven")])
    site = dict(make_site(runs, supplements=Supplements(repeats=[told])))
    assert "Oduya" not in "".join(site.values())


def test_an_average_over_tasks_and_seeds_stands_on_the_suites_page_as_it_was_computed_together(tmp_path: Path) -> None:
    found = evaluate(Dice(), "meds_bench.mcqa", data_dir="sample", out=tmp_path / "runs", temperature=0.8, seeds=(0, 1, 2))
    (group,) = [one for one in found.groups if one.group == "meds_bench.mcqa"]
    score = group.scores[0]
    assert score.value == pytest.approx(np.mean([one.metric(one.primary).value for one in found]))
    assert score.interval.endswith(", means over 3 seeds")
    built = build([tmp_path / "runs"], tmp_path / "site")
    assert built.problems == []
    site = {str(path.relative_to(tmp_path / "site")): path.read_text() for path in (tmp_path / "site").rglob("*.csv")}
    standing = [
        row
        for name in site
        if name.startswith("data/suites-") and "averages" not in name
        for row in csv.DictReader(io.StringIO(site[name]))
        if row["column"] == "standing"
    ]
    (row,) = standing
    assert [float(row[key]) for key in ("value", "low", "high")] == pytest.approx([score.value, score.low, score.high])
