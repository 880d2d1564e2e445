"""One number has one interval and one rank wherever it stands, and the order of the rows is that of the ranks."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from ehrbench.hashing import hash_data
from ehrbench.leaderboard.build import build, make_site
from ehrbench.results import Result
from ehrbench.results.groups import AVERAGES_TRACK
from ehrbench.results.store import write_result
from tests.leaderboard.invented import invented
from tests.results.factory import make_metric, make_result


def cells(site: dict[str, str], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(site[f"data/{name}.csv"])))


def column(site: dict[str, str], name: str, key: str) -> dict[str, dict[str, str]]:
    return {row["model"]: row for row in cells(site, name) if row["column"] == key}


def average_of(runs: list[Result], value: float, low: float, high: float) -> Result:
    """The stored joint average of runs, as ``ehrbench score`` leaves it."""
    first = runs[0]
    group = f"{first.suite}.all"
    members = sorted((run.task, run.config_hash) for run in runs)
    metric = make_metric(value, 0, low=low, high=high, strict_value=None, interval="percentile bootstrap of the mean of 3 tasks")
    return make_result(
        first.model.name,
        task=group,
        suite=first.suite,
        track=AVERAGES_TRACK,
        context=None,
        metrics=[metric],
        config_hash=hash_data([group, "mean", members]),
    )


def test_a_mean_has_the_interval_that_was_resampled_jointly_on_every_page() -> None:
    runs = {name: [make_result(name, v, task=f"s.t{k}") for k in range(3)] for name, v in (("a", 0.50), ("b", 0.46))}
    averages = [
        average_of(own, own[0].metrics[0].value or 0, mid - 0.01, mid + 0.01)
        for own, mid in zip(runs.values(), (0.50, 0.46), strict=True)
    ]
    site = make_site([*runs["a"], *runs["b"], *averages])
    found = [
        column(site, "suites-s--clean_truncate_8192", "standing"),
        next({r["model"]: r for r in cells(site, "index--table-clean") if r["column"] == key}
             for key in {r["column"] for r in cells(site, "index--table-clean")} if key.startswith("board")),
        column(site, "suites-s--clean_averages-over-tasks", "s.all-rouge_l"),
    ]  # fmt: skip
    for table in found:
        # Averaged ends would be 0.47 to 0.53 and 0.43 to 0.49: not told apart.
        assert (float(table["a"]["low"]), float(table["a"]["high"])) == (pytest.approx(0.49), pytest.approx(0.51))
        assert [table[m]["rank_best"] + table[m]["rank_worst"] for m in "ab"] == ["11", "22"]


def test_an_average_of_other_runs_is_not_borrowed() -> None:
    runs = [make_result("a", 0.5, task=f"s.t{k}") for k in range(3)]
    stale = average_of([*runs[:2], make_result("a", 0.5, task="s.t2", config_hash="c" * 12)], 0.9, 0.89, 0.91)
    site = make_site([*runs, *(make_result("b", 0.4, task=f"s.t{k}") for k in range(3)), stale])
    assert float(column(site, "suites-s--clean_truncate_8192", "standing")["a"]["low"]) == pytest.approx(0.47)


def test_a_missing_task_does_not_erase_a_model() -> None:
    results = list(invented(12, 20, missing=0.2, unanswered=0))
    complete = [m for m in {r.model.name for r in results} if sum(r.model.name == m for r in results) == 20]
    assert len(complete) < 4
    site = make_site(results)
    suite = results[0].suite
    standing = column(site, f"suites-{suite}--clean", "standing")
    assert len(standing) == 12
    assert all(row["rank_best"] and float(row["low"]) < float(row["value"]) < float(row["high"]) for row in standing.values())
    assert "both of a pair have" in site[f"suites/{suite}.html"]
    by_skill = sorted(standing, key=lambda m: -float(standing[m]["value"]))
    shared = [r for r in results if r.task == results[0].task]
    assert by_skill[0] in sorted((r.model.name for r in shared), key=lambda m: -_value(shared, m))[:6]


def _value(results: list[Result], model: str) -> float:
    return next(r.metrics[0].value or 0.0 for r in results if r.model.name == model)


def test_a_model_of_few_tasks_is_shown_and_takes_no_part_in_the_order() -> None:
    full = [make_result(name, v, task=f"s.t{k}") for name, v in (("a", 0.5), ("b", 0.3)) for k in range(6)]
    site = make_site([*full, make_result("newcomer", 0.99, task="s.t0")])
    standing = column(site, "suites-s--clean_truncate_8192", "standing")
    assert standing["a"]["rank_best"] == "1"
    assert standing["newcomer"]["missing"] == "1 of 6 tasks"
    assert column(site, "tasks-s.t0--clean_truncate_8192", "rouge_l")["newcomer"]["rank_best"] == "1"


def test_rows_stand_in_the_order_of_the_value_that_ranks() -> None:
    # 0.9 over half of the items is 0.45 over all: a model that skips items does not lead.
    skips = make_result(
        "skips", n_items=40, metrics=[make_metric(0.9, n=20, strict_value=0.45)], outcomes={"answered": 20, "api_error": 20}
    )
    site = make_site(
        [skips, make_result("steady", metrics=[make_metric(0.6)]), make_result("short", 0.95, n_items=9, config_hash="s")]
    )
    for page in ("suites/medalign.html", "tasks/medalign.html", "index.html"):
        names = re.findall(r'<tr class="run"><th scope="row"><a [^>]*>(\w+)<', site[page])
        assert names[:2] == ["steady", "skips"], page
    row = column(site, "tasks-medalign--clean_truncate_8192", "rouge_l")
    assert (row["skips"]["value"], row["skips"]["rank_best"]) == ("0.45", "2")
    assert "0.900 over the rest" in site["tasks/medalign.html"]


def test_a_metric_without_a_value_over_all_items_never_leads_where_items_have_no_answer() -> None:
    skips = make_result("skips", metrics=[make_metric(0.9, n=20, strict_value=None)])
    site = make_site([skips, make_result("steady", metrics=[make_metric(0.6)])])
    assert re.findall(r'<tr class="run"><th scope="row"><a [^>]*>(\w+)<', site["tasks/medalign.html"]) == ["steady", "skips"]


def test_an_interval_without_width_is_none() -> None:
    flat = make_result("flat", metrics=[make_metric(0.0, 0.0)])
    site = make_site([flat, make_result("other", 0.4)])
    row = column(site, "tasks-medalign--clean_truncate_8192", "rouge_l")["flat"]
    assert (row["low"], row["rank_best"]) == ("", "")
    assert "0.000–0.000" not in site["tasks/medalign.html"]
    assert "nothing varies between the items" in site["tasks/medalign.html"]


def test_a_sweep_has_an_interval() -> None:
    runs = [
        make_result(name, v, task=f"s.t{k}", metrics=[make_metric(v, 0.01, label=f"M{k}")])
        for name, v in (("a", 0.9), ("b", 0.1))
        for k in range(4)
    ]
    standing = column(make_site(runs), "suites-s--clean_truncate_8192", "standing")
    # Wilson, four of four: 1 / (1 + 1.96^2 / 4) = 0.510.
    assert float(standing["a"]["value"]) == 1
    assert float(standing["a"]["low"]) == pytest.approx(0.510, abs=0.001)
    assert (standing["a"]["rank_worst"], standing["b"]["rank_best"]) == ("1", "2")


def test_two_short_runs_never_unrank_a_full_one() -> None:
    runs = [
        make_result(name, 0.5 + k / 10, n_items=n, n_expected=None, config_hash=name)
        for k, (name, n) in enumerate((("full", 83), ("x", 30), ("y", 30)))
    ]
    row = column(make_site(runs), "tasks-medalign--clean_truncate_8192", "rouge_l")
    assert [row[m]["rank_best"] for m in ("full", "x", "y")] == ["1", "", ""]


def test_a_column_without_any_value_is_one_note() -> None:
    absent = make_metric(None, name="bertscore", missing="the metric needs a package: pip install x")
    page = make_site([make_result(name, metrics=[make_metric(0.4), absent]) for name in "abc"])["tasks/medalign.html"]
    assert page.count("pip install x") == 1
    assert 'data-key="bertscore"' not in page


def test_a_result_with_half_a_character_is_left_out_by_name(tmp_path: Path) -> None:
    write_result(tmp_path / "in/sound/result.json", make_result("sound-one", data_policy="open"))
    bad = make_result("bad", 0.6, config_hash="b" * 12, data_policy="open").model_dump(mode="json")
    bad["caveats"] = ["half \ud83d"]
    (tmp_path / "in/bad").mkdir()
    (tmp_path / "in/bad/result.json").write_text(json.dumps(bad))
    built = build([tmp_path / "in"], tmp_path / "site")
    about = (tmp_path / "site/about.html").read_text()
    assert "bad/result.json: a text has half of a surrogate pair" in about
    assert built.n_results == 1
    assert "sound-one" in (tmp_path / "site/index.html").read_text()


def test_prompts_that_differ_by_case_only_have_places_of_their_own() -> None:
    site = make_site([make_result("m", 0.4, prompt=p, config_hash=p * 6) for p in ("v1", "V1")])
    ids = re.findall(r'<section class="setting" id="([^"]+)"', site["tasks/medalign.html"])
    assert len({one.lower() for one in ids}) == 2
    assert len({name.lower() for name in site}) == len(site)


@pytest.fixture(scope="module")
def season() -> tuple[list[Result], dict[str, str]]:
    results = list(invented(10, 30))
    return results, make_site(results)


def test_every_page_shows_the_stored_number_with_one_interval_and_one_rank(season: tuple[list[Result], dict[str, str]]) -> None:
    results, site = season
    stored = {(r.model.name, r.task, m.name): (r, m) for r in results for m in r.metrics}
    seen: dict[tuple[str, str, str], set[tuple[str, ...]]] = {}
    for name, text in site.items():
        if not name.endswith(".csv") or name == "data/results.csv":
            continue
        for row in csv.DictReader(io.StringIO(text)):
            if row["task"]:
                said = tuple(row[key] for key in ("value", "low", "high", "n", "rank_best", "rank_worst"))
                seen.setdefault((row["model"], row["task"], row["metric"]), set()).add(said)
    assert {key for key in seen if key in stored} == set(stored)
    for key, said in seen.items():
        assert len(said) == 1, (key, said)
        result, metric = stored[key]
        ((value, low, high, n, *_),) = said
        lost = (result.n_items or 0) - (metric.n or 0)
        expected = metric.strict_value if lost and metric.strict_value is not None else metric.value
        assert float(value) == pytest.approx(expected)
        assert int(n) == metric.n
        assert float(high) - float(low) == pytest.approx((metric.high or 0) - (metric.low or 0), abs=1e-6)


def test_every_page_itself_says_that_number_interval_and_rank(season: tuple[list[Result], dict[str, str]]) -> None:
    """The same of what stands on the pages: tables of tasks, maps of suites, and tables of models."""
    results, site = season
    names = {r.model.name.lower(): r.model.name for r in results}
    tasks = {r.task.lower(): r.task for r in results}
    primary = {r.task: r.primary for r in results}
    said: dict[tuple[str, str, str], dict[tuple[str, str, str], list[str]]] = {}

    def note(model: str, task: str, metric: str, page: str, *what: str) -> None:
        said.setdefault((names[model], tasks[task], metric), {}).setdefault((what[0], what[1], what[2]), []).append(page)

    for page, text in site.items():
        for table in re.findall(r'<table class="board.*?</table>', text, re.S) if page.endswith(".html") else ():
            heads = re.findall(r'<th scope="col" data-key="([^"]+)"', table)
            for row in re.findall(r'<tr class="run"[^>]*>(.*?)</tr>', table, re.S):
                link = re.search(r'href="(?:\.\./)?(models|tasks)/([^"#]+)\.html', row)
                found = re.findall(r"<td([^>]*)>(.*?)</td>", row, re.S)
                if link is None or page in ("models.html", "index.html"):
                    continue
                if link[1] == "tasks":  # a model's page: one row for each task
                    task, model = link[2], page.removeprefix("models/").removesuffix(".html")
                    note(model, task, primary[tasks[task]], page, *_shown(found[2][1]))
                    continue
                for key, (attributes, cell) in zip(heads[1:], found, strict=True):
                    if page.startswith("tasks/") and key in ("auroc", "accuracy", "f1", "exact_match", "bleu_1", "micro_f1"):
                        if "<b>" in cell:
                            note(link[2], page[6:-5], key, page, *_shown(cell))
                    elif page.startswith("suites/") and "data-d=" in attributes:
                        task, _, metric = key.rpartition("-")
                        if task in primary and cell != "–":
                            parts = re.search(r'data-d="([^"]*)"', attributes)[1].split(" · ")  # type: ignore[index]
                            rank = next((part for part in parts if part.startswith("#")), "")
                            note(link[2], task.lower(), metric, page, cell, parts[0], rank)
    kinds = {tuple(sorted({page.split("/")[0] for pages in ways.values() for page in pages})) for ways in said.values()}
    assert ("models", "suites", "tasks") in kinds
    assert {(r.model.name, r.task, r.primary) for r in results} <= set(said)
    for key, ways in said.items():
        assert len(ways) == 1, (key, ways)


def _shown(cell: str) -> tuple[str, str, str]:
    value, ends, rank = (re.search(rf"<{tag}>(.*?)</{tag}>", cell) for tag in ("b", "small", "i"))
    return value[1] if value else "", ends[1].split(" · ")[0] if ends else "", rank[1] if rank else ""


def test_the_ranks_of_a_models_page_are_those_of_the_tasks(season: tuple[list[Result], dict[str, str]]) -> None:
    results, site = season
    page = site[f"models/{results[0].model.name.lower()}.html"]
    link = r'href="\.\./tasks/([\w.]+)\.html#clean"[^\n]*\n[^\n]*\n<td[^>]*><b>[\d.]+</b>'
    shown = dict(re.findall(link + r" <i>#([\d–]+)<", page))
    assert len(shown) > 20
    for task, rank in shown.items():
        name = next(r.task for r in results if r.task.lower() == task)
        rows = [r for r in cells(site, f"tasks-{task}--clean") if r["model"] == results[0].model.name and r["task"] == name]
        best, worst = rows[0]["rank_best"], rows[0]["rank_worst"]
        assert rank == (best if best == worst else f"{best}–{worst}")
