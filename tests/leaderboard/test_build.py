import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from ehrbench.errors import UsageError
from ehrbench.leaderboard.build import build, make_site
from ehrbench.leaderboard.entries import make_entries
from ehrbench.leaderboard.files import MARKER
from ehrbench.leaderboard.text import interval, number, show, slugs
from ehrbench.leaderboard.words import explain
from ehrbench.metrics import METRICS
from ehrbench.results import ContextInfo, Usage
from ehrbench.results.published import published_results
from ehrbench.results.schema import ModelInfo, Result
from ehrbench.results.store import find_results, write_result
from tests.leaderboard.sample import HOSTILE, season
from tests.results.factory import make_metric, make_result


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    return make_site(season(hostile=True))


def pages(site: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in site.items() if name.endswith(".html")}


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_two_builds_are_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    results = season()
    for folder, several in (("a", results), ("b", results[::-1])):
        write_result(tmp_path / folder / "in/all.results.json", several)
        build([tmp_path / folder / "in"], tmp_path / folder / "site")
    first = {p.relative_to(tmp_path / "a/site"): p.read_bytes() for p in (tmp_path / "a/site").rglob("*") if p.is_file()}
    second = {p.relative_to(tmp_path / "b/site"): p.read_bytes() for p in (tmp_path / "b/site").rglob("*") if p.is_file()}
    assert first == second


def test_the_overview_of_forty_models_and_all_papers_is_small() -> None:
    results = [*season(40), *published_results()]
    assert len(make_site(results)["index.html"].encode()) < 250_000


def test_hostile_names_are_text_and_name_no_file_outside(site: dict[str, str]) -> None:
    for name, text in pages(site).items():
        assert "<script>alert" not in text, name
        assert "\u202e" not in text, name
        assert "x" * 500 not in text, name
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in site["index.html"]
    for name in site:
        assert re.fullmatch(r"(?:[a-z0-9_]+/)?[a-z0-9_][a-z0-9._-]{0,140}", name), name
        assert ".." not in name
    assert len([name for name in site if name.startswith("models/")]) == len({r.model.name for r in season(hostile=True)})


def test_no_page_asks_for_anything_from_elsewhere(site: dict[str, str]) -> None:
    for name, text in pages(site).items():
        elements = _Elements(text).found
        for tag, attributes in elements:
            assert not any(key.startswith("on") or key == "style" for key in attributes), (name, tag)
            if tag in ("script", "link", "img", "iframe", "source"):
                assert "src" not in attributes, (name, tag)
                assert not re.match(r"https?:", attributes.get("href") or ""), (name, tag)
        policies = [a["content"] for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert len(policies) == 1
        assert policies[0] is not None
        assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policies[0]


def test_every_link_leads_somewhere_inside(site: dict[str, str]) -> None:
    for name, text in pages(site).items():
        for tag, attributes in _Elements(text).found:
            href = attributes.get("href")
            if tag != "a" or href is None:
                continue
            target, _, anchor = href.partition("#")
            if target.endswith("compare.html"):
                anchor = ""  # it names models
            place = (Path("/", name).parent / target).resolve().relative_to("/").as_posix() if target else name
            assert place in site, (name, href)
            if anchor:
                ids = {a.get("id") for _, a in _Elements(site[place]).found}
                assert anchor in ids, (name, href)


def test_settings_never_share_a_table(site: dict[str, str]) -> None:
    for name in ("suites/medalign.html", "tasks/medalign.html"):
        sections = re.findall(r'<section class="setting" id="([^"]+)"', site[name])
        assert sections == ["clean_truncate_8192", "clean_truncate_2048", "clean_refine_2048", "paper_clinicians"]


def test_a_suite_of_many_tasks_is_shown_by_category() -> None:
    names = [f"s.{category}.t{k}" for category in ("mcqa", "ner_x") for k in range(6)]
    page = make_site([make_result("m", 0.3 + 0.01 * k, task=name) for k, name in enumerate(names)])["suites/s.html"]
    sections = re.findall(r'<section class="setting" id="([^"]+)"', page)
    assert sections == ["clean_truncate_8192"]
    heads = re.findall(r'data-group="([^"]+)"( data-total)?', page)
    assert heads == [("Mcqa", " data-total"), *6 * [("Mcqa", "")], ("Ner x", " data-total"), *6 * [("Ner x", "")]]
    row = page[page.index('<tr class="run"') :].split("</tr>")[0]
    assert re.findall(r">(0\.\d+)<", row) == [
        "0.355", "0.325", "0.300", "0.310", "0.320", "0.330", "0.340", "0.350",
        "0.385", "0.360", "0.370", "0.380", "0.390", "0.400", "0.410",
    ]  # fmt: skip


def cells_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    """Every cell of a table's JSON by the names of its fields, with its row's and its column's."""
    found = []
    for row in table["rows"]:
        for cell in row["cells"]:
            column = table["columns"][cell[0]]
            fields = dict(zip(table["fields"], cell, strict=False))
            found.append({**row, **fields, "column": column["key"], "task": column.get("task"), "metric": column.get("metric")})
    return found


def test_downloads_hold_what_the_page_shows(site: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(site["data/suites-medalign--clean_truncate_8192.csv"])))
    again = json.loads(site["data/suites-medalign--clean_truncate_8192.json"])
    cells = cells_of(again)
    assert len(rows) == len(cells)
    for row, cell in zip(rows, cells, strict=True):
        assert row["model"].removeprefix("'") == cell["model"]
        for key in ("column", "task", "metric", "value", "low", "high", "n", "rank_best", "rank_worst", "missing"):
            assert row[key].removeprefix("'") == ("" if cell.get(key) is None else str(cell[key])), key
    source = {r.model.name: r for r in season(hostile=True) if r.context and r.context.window == 8192 and r.task == "medalign"}
    for row in rows:
        if row["model"] in source and not row["missing"]:
            assert float(row["value"]) == source[row["model"]].metrics[0].value
    assert any(row["model"] == "'=HYPERLINK(1)" for row in rows)


def test_numbers_of_few_patients_are_shown_nowhere() -> None:
    few = make_result("few", 0.123456, n_groups=10, strata={"category=a": [make_metric(0.654321)]})
    site = make_site([few, make_result("many", 0.4)])
    assert "fewer than 11 patients" in site["tasks/medalign.html"]
    for name, text in site.items():
        assert "0.123" not in text, name
        assert "0.654321" not in text, name


def test_a_partial_run_is_marked_and_not_ranked() -> None:
    site = make_site([make_result("whole", 0.4), make_result("part", 0.9, n_items=20, config_hash="p")])
    rows = _column(site["data/tasks-medalign--clean_truncate_8192.csv"], "rouge_l")
    assert rows["whole"]["rank_best"] == "1"
    assert rows["part"]["rank_best"] == ""
    assert rows["part"]["badges"] == "partial"


def test_a_run_with_unanswered_items_is_ranked_over_all_items() -> None:
    # 0.5 over 30 answered of 40 items is 0.375 over all: below 0.45 by more than hypot(0.03, 0.03) = 0.042.
    half = make_result("half", metrics=[make_metric(0.5, n=30, strict_value=0.375)])
    site = make_site([half, make_result("steady", metrics=[make_metric(0.45)])])
    rows = _column(site["data/tasks-medalign--clean_truncate_8192.csv"], "rouge_l")
    assert (rows["half"]["rank_best"], rows["steady"]["rank_best"]) == ("2", "1")


def test_runs_that_were_compared_item_by_item_are_ranked_by_it(tmp_path: Path) -> None:
    hashes = ["a" * 16, "b" * 16]
    runs = [make_result(f"m{k}", 0.40 + 0.01 * k, config_hash=h) for k, h in enumerate(hashes)]
    difference = {"value": -0.01, "low": -0.015, "high": -0.005, "n": 40}
    test = {"task": "medalign", "metric": "rouge_l", "a": hashes[0], "b": hashes[1], "difference": difference}

    def ranks(comparison: dict[str, object]) -> list[str]:
        write_result(tmp_path / "in/all.results.json", runs)
        (tmp_path / "in/x.paired.json").write_text(json.dumps([comparison]))
        assert build([tmp_path / "in"], tmp_path / "site").problems == []
        rows = _column((tmp_path / "site/data/tasks-medalign--clean_truncate_8192.csv").read_text(), "rouge_l")
        return [f"{rows[m]['rank_best']}-{rows[m]['rank_worst']}" for m in ("m0", "m1")]

    assert ranks(test) == ["2-2", "1-1"]
    assert ranks(test | {"difference": difference | {"n": 39}}) == ["1-2", "1-2"]
    assert ranks(test | {"metric": "chrf_pp"}) == ["1-2", "1-2"]


def test_a_mean_is_given_over_the_same_tasks_only() -> None:
    tasks = [make_result("full", 0.2, task="s.a"), make_result("full", 0.6, task="s.b"), make_result("some", 0.9, task="s.a")]
    site = make_site(tasks)
    found = _column(site["data/suites-s--clean_truncate_8192.csv"], "mean")
    assert float(found["full"]["value"]) == pytest.approx(0.4)
    assert (float(found["full"]["low"]), float(found["full"]["high"])) == (pytest.approx(0.37), pytest.approx(0.43))
    assert found["some"]["value"] == ""
    assert found["some"]["missing"] == "1 of 2 tasks"


def _column(text: str, column: str) -> dict[str, dict[str, str]]:
    return {row["model"]: row for row in csv.DictReader(io.StringIO(text)) if row["column"] == column}


def test_what_is_not_a_site_is_not_replaced(tmp_path: Path) -> None:
    write_result(tmp_path / "in/result.json", make_result())
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not a site that ehrbench made"):
        build([tmp_path / "in"], tmp_path / "home")
    build([tmp_path / "in"], tmp_path / "site")
    write_result(tmp_path / "in/result.json", make_result("other"))
    build([tmp_path / "in"], tmp_path / "site")
    assert "other" in (tmp_path / "site/index.html").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "in", "site"]


def test_the_site_builds_from_the_rest_and_names_what_is_left_out(tmp_path: Path) -> None:
    write_result(tmp_path / "in/good/result.json", make_result())
    (tmp_path / "in/bad").mkdir()
    (tmp_path / "in/bad/result.json").write_text('{"schema_version": 7}')
    built = build([tmp_path / "in"], tmp_path / "site")
    assert built.n_results == 1
    about = (tmp_path / "site/about.html").read_text()
    assert "bad/result.json: schema_version is 7" in about
    assert str(tmp_path) not in about
    assert "1 file or entry was left out" in (tmp_path / "site/index.html").read_text()


def test_an_empty_site_says_how_to_fill_it(tmp_path: Path) -> None:
    build([tmp_path], tmp_path / "site")
    assert "There are no results yet" in (tmp_path / "site/index.html").read_text()


def test_numbers_read_as_people_write_them() -> None:
    assert number(0.42) == "0.420"
    assert number(0.8251, printed=True) == "0.8251"
    assert number(60.1, (0, 100)) == "60.1"
    assert number(24.46, (0, 100), printed=True) == "24.46"
    assert number(-0.0001, (-1, 1)) == "0.000"
    assert interval(-0.02, 0.04, (-1, 1)) == "−0.020 to 0.040"
    assert show("a\nb\u202ec\x00") == "a b\ufffdc\ufffd"
    assert show("x" * 50, 10) == "x" * 9 + "…"


def test_every_published_metric_has_plain_words_and_a_source() -> None:
    names = {m.name for row in published_results() for m in row.metrics}
    assert [name for name in sorted(names) if not all(explain(name))] == []
    assert explain("rouge_l_set_zh").about == METRICS.get("rouge_l_set_zh").about
    assert explain("bogus") == ("", "")


def test_a_caution_that_all_intervals_of_a_table_need_is_said_once_and_each_cell_has_a_word() -> None:
    words = "only 24 groups: with fewer than 30 the 95 % interval is only approximate"
    page = make_site([make_result(name, metrics=[make_metric(0.4, caution=words)]) for name in "abc"])["tasks/medalign.html"]
    table = page[page.index('<section class="setting"') : page.index("</table>", page.index('<section class="setting"'))]
    assert table.count(words) == 1 and table.count('<span class="caution">approximate</span>') == 3
    assert words in page[page.index('class="footnotes"') :], "what is said of a touched cell still has the sentence"


def test_a_card_says_the_protocol_and_a_page_begins_with_the_setting_of_most_models() -> None:
    def under(window: int | None, *models: str) -> list[Result]:
        return [make_result(name, context=ContextInfo(policy="truncate-end", window=window)) for name in models]

    site = make_site([*under(4096, "a", "b"), *under(None, "a", "b", "c"), *under(32768, "a")])
    assert '<p class="facts">Clean protocol · whole records · ROUGE-L</p>' in site["index.html"]
    for page in ("tasks/medalign.html", "suites/medalign.html"):
        titles = re.findall(r'<section class="setting"[^>]*>\s*<h2>([^<]*) <', site[page])
        fitting = [title.partition(" · ")[2] for title in titles]
        assert fitting == ["whole records", "the record’s end in 4k tokens", "the record’s end in 32k tokens"], page


def test_the_figure_of_costs_needs_three_models_and_shows_the_number_that_ranks() -> None:
    def used(name: str, tokens: int) -> Result:
        lost = make_metric(0.4, n=30, strict_value=0.3)
        return make_result(name, metrics=[lost], usage=Usage(calls=40, prompt_tokens=tokens))

    three = [used(name, 1000 * 2**k) for k, name in enumerate("abc")]
    assert "Score against cost" not in make_site(three[:2])["tasks/medalign.html"]
    page = make_site(three)["tasks/medalign.html"]
    figure = page[page.index("Score against cost") : page.index("</svg>", page.index("Score against cost"))]
    assert "a: 0.300" in figure and "0.400" not in figure


def test_a_caution_stands_beside_its_number_wherever_the_number_stands() -> None:
    words = "only 9 positives: the interval is approximate"
    site = make_site([make_result("a", metrics=[make_metric(0.4, caution=words)]), make_result("b", 0.5)])
    for page in ("tasks/medalign.html", "models/a.html"):
        assert site[page].count(f'<span class="caution">{words}</span>') == 1, page
    for page in ("index.html", "suites/medalign.html", "tasks/medalign.html"):
        notes = re.search(r'<div class="footnotes.*?</div>|<details class="footnotes.*?</details>', site[page], re.S)
        assert notes and words in notes[0], page
    assert words not in site["models/b.html"]


def test_the_overview_leads_to_the_other_windows() -> None:
    small, large = (ContextInfo(policy="truncate", window=window) for window in (2048, 8192))
    site = make_site([make_result("a"), make_result("b", context=large), make_result("a", context=small, config_hash="s" * 12)])
    links = re.findall(r'<a href="(suites/medalign.html#[^"]+)">([^<]+)</a>', site["index.html"].split("Also under")[1])
    assert links == [("suites/medalign.html#clean_truncate_2048", "truncate, 2k tokens")]
    assert 'id="clean_truncate_2048"' in site["suites/medalign.html"]


@pytest.mark.parametrize(
    ("policy", "window", "said"),
    [
        ("truncate-end", 2048, "the record’s end in 2k tokens"),
        ("truncate-end", None, "whole records"),
        ("refine", 2048, "the record in pieces, 2k tokens at a time"),
        ("of a plugin", 2048, "of a plugin, 2k tokens"),
    ],
)
def test_headings_say_in_words_how_records_were_made_to_fit(policy: str, window: int | None, said: str) -> None:
    site = make_site([make_result(name, context=ContextInfo(policy=policy, window=window)) for name in ("a", "b")])
    assert f"Clean protocol · {said}" in site["tasks/medalign.html"]


def test_replayed_answers_of_one_model_are_one_row_whatever_their_files() -> None:
    def replayed(task: str, file: str) -> Result:
        model = ModelInfo(name="their model", backend="replay", revision=file)
        return make_result(task=task, model=model.name).model_copy(update={"model": model, "config_hash": f"{task}{file}"})

    tasks = ("meds_bench.mcqa.medqa", "meds_bench.mcqa.headqa")
    entries = make_entries([replayed(task, f"hash of {task}") for task in tasks])
    assert len({entry.row for entry in entries}) == 1
    entries = make_entries([*(replayed(task, "first") for task in tasks), replayed(tasks[0], "second")])
    assert len({entry.row for entry in entries}) == 2


def test_a_metrics_own_sentence_and_source_stand_on_the_pages() -> None:
    site = make_site([make_result("a", 0.4), make_result("b", 0.5)])
    words = explain(make_result("a", 0.4).primary)
    for page in ("methods.html", "tasks/medalign.html"):
        assert str(escape(words.about)) in site[page] and str(escape(words.cite)) in site[page]


def test_the_majority_answer_stands_in_heading_and_figure() -> None:
    runs = [make_result(f"m{k}", metrics=[make_metric(0.5 + k / 10, baseline=0.52)]) for k in range(2)]
    page = make_site(runs)["tasks/medalign.html"]
    assert '<span class="sub">majority 0.520</span>' in page
    assert re.search(r'class="note"[^>]*>majority 0.520</text>', page)
    assert "majority" not in make_site([make_result("a"), make_result("b")])["tasks/medalign.html"]


def test_metrics_of_one_kind_have_a_mean_and_others_do_not() -> None:
    def page(labels: tuple[str, str], **changes: object) -> str:
        metrics = [make_metric(0.4, name=f"n{k}", label=label) for k, label in enumerate(labels)]
        metrics[1] = metrics[1].model_copy(update=changes)
        return make_site([make_result("m", task=f"s.t{k}", metrics=[m], primary=m.name) for k, m in enumerate(metrics)])[
            "suites/s.html"
        ]

    assert "Mean Accuracy" in page(("Accuracy (first letter)", "Accuracy (containment)"))
    assert "Mean Accuracy" not in page(("Accuracy", "F1"))
    assert "Mean Accuracy" not in page(("Accuracy", "Accuracy"), range=(0, 100))


def test_file_names_never_meet() -> None:
    found = slugs(["GPT-4", "gpt-4", "gpt 4", "GPT/4", "", "…", "con", *HOSTILE])
    assert len({slug.lower() for slug in found.values()}) == len(found)
    assert found["gpt-4"].startswith("gpt-4")
    assert slugs(["llama-3.1-8b"]) == {"llama-3.1-8b": "llama-3.1-8b"}


def test_a_suites_own_averages_come_first_and_stay_out_of_the_overview() -> None:
    names = [f"s.{category}.t{k}" for category in ("a", "b") for k in range(6)]
    runs = [make_result("m", 0.4, task=name) for name in names]
    averages = [
        make_result("m", 0.777, task=f"s.{category}", track="averages over tasks", context=None) for category in ("a", "b")
    ]
    site = make_site([*runs, *averages])
    sections = re.findall(r'<section class="setting" id="([^"]+)"', site["suites/s.html"])
    assert sections == ["clean_truncate_8192", "clean_averages-over-tasks"]
    assert "Mean ROUGE" not in site["suites/s.html"].split("</section>")[1]
    assert "0.777" in site["suites/s.html"]
    assert "0.777" not in site["index.html"]
    assert "0.777" in make_site(averages)["index.html"]


def test_a_sole_rank_is_not_shown() -> None:
    alone = make_site([make_result("m")])
    assert "<i>#" not in alone["tasks/medalign.html"]
    assert "<i>#" in make_site([make_result("m"), make_result("n", 0.9)])["tasks/medalign.html"]


def test_the_downloads_of_a_task_are_results_as_ehrbench_reads_them(tmp_path: Path) -> None:
    own = [
        *(make_result(f"m{k}", environment={"python": "3.11", "gpus": k // 2}, n_groups=24) for k in range(4)),
        make_result("other", environment={"python": {"version": "3.12"}}, outcomes={"answered": 20, "api_error": 1}),
        make_result("with parts", strata={"kind=a": [make_metric(n=40), make_metric(0.5, name="rouge_l", n=40)]}),
        make_result("none", metrics=[]),
    ]
    own = [one.model_copy(update={"data_policy": "open"}) for one in own]
    write_result(tmp_path / "runs/all.results.json", own)
    for site in ("one", "two"):
        built = build([tmp_path / "runs"], tmp_path / site)
        assert built.n_bytes == sum(p.stat().st_size for p in (tmp_path / site).rglob("*") if p.is_file() and p.name != MARKER)
    archives = [tmp_path / site / "data/results--medalign.results.json.zip" for site in ("one", "two")]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    zipfile.ZipFile(archives[0]).extractall(tmp_path / "unpacked")
    stored, problems = find_results([tmp_path / "unpacked"])
    assert not problems
    assert [one.result for one in stored] == [entry.result for entry in make_entries(own)]


def test_provenance_says_how_a_number_was_made() -> None:
    page = make_site([make_result("m")])["models/m.html"]
    provenance = page[page.index("<details>") : page.index("</details>")]
    for text in (
        "percentile bootstrap, 10000 resamples of 24 patients",
        "rouge_l|v:1",
        make_result("m").config_hash,
        "ehrbench run --model m --tasks medalign",
        "answered 39, unparsed 1",
        "3.11.9",
    ):
        assert text in provenance
