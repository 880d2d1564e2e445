"""The built site in a real browser, from a file, without a network."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.build import build
from ehrbench.results.store import write_result
from ehrbench.results.supplements import HeadToHead, HumanStats, Interval, Pair, SystemJudgement
from tests.leaderboard.invented import invented, task_names
from tests.leaderboard.reader import Reader
from tests.leaderboard.sample import HOSTILE, season
from tests.leaderboard.test_build import cells_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    write_result(folder / "in/season.results.json", season(12, hostile=True))
    (folder / "in/human.json").write_text(_human().model_dump_json())
    build([folder / "in", asset_dir("published")], folder / "site", reviewed_by="A. Reader")
    return folder / "site"


TABLE = "#clean_truncate_8192 > .scroll table"


def names(page: Any, table: str = TABLE) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        f"{table} tbody tr",
        "rows => rows.filter(r => r.checkVisibility()).map(r => r.cells[0].querySelector('a').textContent.trim())",
    )
    return found


def values(page: Any, column: int, table: str = TABLE) -> list[str | None]:
    script = f"rows => rows.map(r => r.cells[{column}].getAttribute('data-v'))"
    found: list[str | None] = page.eval_on_selector_all(f"{table} tbody tr", script)
    return found


def test_every_page_opens_without_a_complaint_or_a_request(site: Path, reader: Reader) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 100
    for path in [*sorted(site.glob("*.html")), *sorted((site / "suites").iterdir()), *pages[::6]]:
        reader.open(path)
        assert reader.page.locator("h1").count() == 1, path
    assert reader.wrong == []


def test_hostile_names_render_as_text(site: Path, reader: Reader) -> None:
    page = reader.open(site / "suites/medalign.html")
    shown = names(page)
    assert "<script>alert(1)</script>" in shown
    assert "../../etc/passwd" in shown
    assert any(re.fullmatch("x{63}…", name) for name in shown)
    for name in HOSTILE:
        (link,) = page.eval_on_selector_all(
            f"{TABLE} tbody th a", "(links, name) => links.filter(a => a.textContent === name).map(a => a.href)", name
        ) or [None]
        if link is not None:
            page.goto(link)
            assert page.locator("h1").text_content() == name
            assert page.url.startswith((site / "models").as_uri())
            page.go_back()
    assert page.locator("script").count() == 1
    assert reader.wrong == []


def test_columns_sort_by_mouse_and_keyboard_with_missing_last(site: Path, reader: Reader) -> None:
    page = reader.open(site / "tasks/medalign.html")
    as_built = names(page)
    head = page.locator(f"{TABLE} thead th").nth(1)
    head.locator("button").click()
    down = values(page, 1)
    assert head.get_attribute("aria-sort") == "descending"
    numbers = [float(value) for value in down if value is not None]
    assert numbers == sorted(numbers, reverse=True)
    assert down.count(None) == 1
    assert down[-1] is None
    head.locator("button").focus()
    page.keyboard.press("Enter")
    up = values(page, 1)
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(value) for value in up if value is not None] == numbers[::-1]
    assert up[-1] is None
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") is None
    assert names(page) == as_built
    page.locator(f"{TABLE} thead th").nth(0).locator("button").click()
    assert names(page) == sorted(as_built, key=str.lower) or names(page)[0] == min(as_built, key=str.lower)
    assert reader.wrong == []


def test_a_long_table_shows_all_its_rows_after_a_sort_with_columns_as_wide_as_before(tmp_path: Path, reader: Reader) -> None:
    tasks = [task for task in task_names(40) if task.startswith("ehr_bench.")]
    kept = {*tasks[:3], *tasks[-3:]}
    write_result(tmp_path / "in/all.results.json", [one for one in invented(101, 40, missing=0) if one.task in kept])
    build([tmp_path / "in"], tmp_path / "site")
    page = reader.open(tmp_path / "site/suites/ehr_bench.html")
    rows, names = page.locator("table.map tbody tr"), "rows => rows.map(row => row.cells[0].textContent)"
    before = rows.evaluate_all(names)
    widths = "[...document.querySelectorAll('table.map thead th')].map(head => head.offsetWidth)"
    cells = "[...document.querySelector('table.map tbody tr').cells].map(cell => cell.offsetWidth)"
    wide = page.evaluate(widths)
    page.locator("table.map .sort").first.click()
    assert rows.evaluate_all(names) == sorted(before, key=str.lower) != before
    assert rows.evaluate_all("rows => rows.filter(row => row.checkVisibility()).length") == 101
    assert page.evaluate(widths) == pytest.approx(wide, abs=1)
    assert page.evaluate(cells) == pytest.approx([width for width in wide if width], abs=1)
    skipped = "rows => rows.filter(row => !row.cells[1].checkVisibility({contentVisibilityAuto: true})).length"
    assert 0 < rows.evaluate_all(skipped) < 101
    scroll = page.locator(".scroll").first
    scroll.evaluate("box => { box.scrollTop = 900; }")
    tops = [scroll.bounding_box(), page.locator("table.map thead th").first.bounding_box()]
    assert tops[0] and tops[1] and tops[1]["y"] == pytest.approx(tops[0]["y"], abs=3)
    heads = "heads => heads.map(head => [head.getBoundingClientRect().left, head.getBoundingClientRect().right])"
    page.goto((tmp_path / "site/index.html").as_uri())
    page.locator("table.compact .sort").first.click()
    edges = page.locator("table.compact thead tr:last-child > *").evaluate_all(heads)
    assert [right for _, right in edges[:-1]] == pytest.approx([left for left, _ in edges[1:]], abs=0.5), "no gap between heads"
    page.goto((tmp_path / "site/suites/ehr_bench.html").as_uri())
    page.locator("table.map .sort").first.click()
    page.get_by_role("button", name="Show all tasks").click()
    page.locator("table.map .sort").nth(2).click()
    assert page.evaluate(cells) == pytest.approx(page.evaluate(widths), abs=1)
    pdf = page.pdf(width="297mm", height="210mm")
    assert len(pdf) > 20_000
    assert reader.wrong == []


def test_tables_of_subsets_sort_on_their_own(site: Path, reader: Reader) -> None:
    page = reader.open(site / "tasks/medalign.html")
    before = names(page)
    page.locator("#clean_truncate_8192-by-category summary").click()
    subset = "#clean_truncate_8192-by-category table"
    page.locator(f"{subset} thead th").nth(1).locator("button").click()
    page.locator(f"{subset} thead th").nth(1).locator("button").click()
    shown = [float(value) for value in values(page, 1, subset) if value is not None]
    assert len(shown) > 10
    assert shown == sorted(shown)
    assert names(page) == before
    assert reader.wrong == []


def test_filters_hide_whole_tables_and_say_so(site: Path, reader: Reader) -> None:
    page = reader.open(site / "tasks/medalign.html")
    assert page.locator(".status").text_content().startswith("6 of 6 tables")
    page.locator("select[name=context]").select_option("refine")
    visible = page.eval_on_selector_all("section.setting", "all => all.filter(s => s.checkVisibility()).map(s => s.id)")
    assert visible == ["clean_refine_2048"]
    assert re.match(r"1 of 6 tables, \d+ of \d+ rows shown; filtered by context “refine”", page.locator(".status").text_content())
    page.locator("select[name=context]").select_option("")
    page.locator("input[name=q]").fill("model-0 instruct")
    found = names(page)
    assert found
    assert all(re.match(r"model-0\d-instruct$", name) for name in found)
    page.locator("input[name=q]").fill("nothing is called this")
    assert page.locator(".status").text_content().startswith("0 of 6 tables, 0 of")
    assert reader.wrong == []


def test_a_permalink_restores_the_view_and_back_undoes_it(site: Path, reader: Reader) -> None:
    page = reader.open(site / "tasks/medalign.html")
    page.locator(f"{TABLE} thead th").nth(2).locator("button").click()
    page.locator("select[name=window]").select_option("8k")
    order, address = names(page), page.url
    other = Reader(reader.context.browser)
    again = other.open(site / "index.html")
    again.goto(address)
    assert names(again) == order
    assert again.locator("select[name=window]").input_value() == "8k"
    assert again.locator(f"{TABLE} thead th").nth(2).get_attribute("aria-sort") == "descending"
    other.context.close()
    page.go_back()
    assert page.locator("select[name=window]").input_value() == ""
    page.go_back()
    assert page.locator(f"{TABLE} thead th").nth(2).get_attribute("aria-sort") is None
    again = reader.open(site / "index.html", "#q=%E0%A4%A&sort=a~b~c&protocol=%22%3E%3Cscript%3E")
    assert reader.wrong == []


def test_the_theme_follows_the_system_until_chosen(site: Path, browser: Any) -> None:
    for scheme in ("light", "dark"):
        reader = Reader(browser, color_scheme=scheme)
        page = reader.open(site / "index.html")
        grounds = {scheme: _lightness(page)}
        page.get_by_role("button", name="Theme: auto").click()
        grounds["light"] = _lightness(page)
        page.get_by_role("button", name="Theme: light").click()
        grounds["dark"] = _lightness(page)
        assert grounds["light"] > 240
        assert grounds["dark"] < 40
        reader.open(site / "methods.html")
        assert _lightness(page) < 40
        reader.context.close()


def test_everything_is_there_without_javascript(site: Path, browser: Any) -> None:
    reader = Reader(browser, java_script_enabled=False)
    page = reader.open(site / "tasks/medalign.html")
    assert page.locator(f"{TABLE} tbody tr").count() == 20
    assert page.locator("section.setting:visible").count() == 6
    assert page.locator("figure svg").count() >= 4
    assert page.locator(".files a").count() >= 12
    assert page.locator("button").count() == 0
    reader.context.close()


@pytest.mark.parametrize("width", [320, 640])
def test_a_phone_scrolls_tables_and_never_the_page(site: Path, browser: Any, width: int) -> None:
    reader = Reader(browser)
    reader.page.set_viewport_size({"width": width, "height": 700})
    for name in ("index.html", "suites/meds_bench.html", "tasks/medalign.html", "agreement.html", "methods.html", "models.html"):
        page = reader.open(site / name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    small = page.eval_on_selector_all("button", "all => all.filter(b => Math.min(b.offsetWidth, b.offsetHeight) < 24).length")
    assert small == 0
    reader.context.close()


def test_print_has_every_row_and_no_controls(site: Path, reader: Reader, tmp_path: Path) -> None:
    page = reader.open(site / "suites/meds_bench.html")
    page.emulate_media(media="print")
    assert page.locator(".controls").is_hidden()
    assert page.locator(".sort").first.is_hidden()
    assert page.locator("tbody tr:visible").count() == page.locator("tbody tr").count()
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    page.pdf(path=str(tmp_path / "a.pdf"), prefer_css_page_size=True)
    data = (tmp_path / "a.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    width, height = (float(v) for v in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)[0])
    assert width > height


def test_the_numbers_on_the_page_are_the_downloads_numbers(site: Path, reader: Reader) -> None:
    page = reader.open(site / "suites/meds_bench.html")
    cells = json.loads((site / "data/suites-meds_bench--clean.json").read_text())
    expected = {(c["model"], c["column"]): c.get("value") for c in cells_of(cells)}
    table = "#clean table"
    page.click("#clean >> text=Show all tasks")
    heads = page.eval_on_selector_all(f"{table} thead th", "all => all.map(h => h.dataset.key)")
    rows = page.eval_on_selector_all(
        f"{table} tbody tr",
        "all => all.map(r => [r.cells[0].querySelector('a').textContent, ...Array.from(r.cells).slice(1).map("
        "c => c.dataset.v || (/^[\\d.]+$/.test(c.textContent) ? c.textContent : null))])",
    )
    shown = {(row[0], key): float(v) for row in rows for key, v in zip(heads[1:], row[1:], strict=True) if v is not None}
    assert shown.keys() == {key for key, value in expected.items() if value is not None}
    for key, value in shown.items():
        assert abs(value - expected[key]) <= 0.00051, key


def test_the_first_view_is_quick(site: Path, reader: Reader) -> None:
    page = reader.open(site / "index.html")
    page.reload()
    seconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    assert seconds < 1.5  # 0.3 s on a machine of one's own; tests share theirs


AXE = next(
    (
        path
        for path in (
            Path(os.environ.get("EHRBENCH_AXE", "node_modules/axe-core/axe.min.js")),
            Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js",
        )
        if path.is_file()
    ),
    None,
)


@pytest.mark.skipif(AXE is None, reason="no axe-core: npm install axe-core, or set EHRBENCH_AXE to axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Path, browser: Any, scheme: str) -> None:
    assert AXE is not None
    reader = Reader(browser, color_scheme=scheme, bypass_csp=True)
    for name in ("index.html", "suites/medalign.html", "tasks/medalign.html", "agreement.html", "methods.html", "models.html"):
        page = reader.open(site / name)
        assert axe_faults(page) == [], name
    reader.context.close()


def axe_faults(page: Any) -> list[Any]:
    """What axe finds on a page as it stands, and every contrast on it that is too low or cannot be judged."""
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.add_script_tag(path=str(AXE))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    layout = {"runOnly": tags, "rules": {"color-contrast": {"enabled": False}}}
    found = page.evaluate("options => axe.run(document, options)", layout)["violations"]
    # Cells that are stuck over others, scrolled away, or half outside their parents cannot be judged; the colours are the same.
    page.add_style_tag(
        content="th,td{position:static!important}.hidden{display:none}html{width:max-content;min-width:100%}"
        ".scroll,.top nav,.tabs{max-height:none!important;overflow:visible!important}.top ul{flex-wrap:wrap!important}"
        ".scroll{max-width:none!important}"
    )
    judged = page.evaluate("axe.run(document, {runOnly: {type: 'rule', values: ['color-contrast']}})")
    # Axe cannot judge text in drawings; test_contrast computes it from the style sheet.
    doubts = [node["html"][:160] for one in judged["incomplete"] for node in one["nodes"] if not node["html"].startswith("<text")]
    return [*((one["id"], one["nodes"][0]["html"][:160]) for one in (*found, *judged["violations"])), *doubts]


def _lightness(page: Any) -> float:
    red, green, blue = (
        float(v) for v in re.findall(r"[\d.]+", page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))[:3]
    )
    return (red + green + blue) / 3


def _human() -> HumanStats:
    systems = ["sys-a", "sys-b", "sys-c"]
    pairs = [
        Pair(a=a, b=b, wins=round(0.45 + 0.2 * (j - i), 2), ties=0.1, n=40)
        for i, a in enumerate(systems)
        for j, b in enumerate(systems)
        if i != j
    ]
    rank = Interval(value=2.0, low=1.8, high=2.2, n=40)
    return HumanStats(
        task="medalign",
        suite="medalign",
        title="Synthetic sample",
        synthetic=True,
        n_items=40,
        systems=[
            SystemJudgement(name=name, correct=Interval(value=0.5, low=0.4, high=0.6, n=40), mean_rank=rank) for name in systems
        ],
        head_to_head=[
            HeadToHead(judge="clinicians", label="Clinicians", pairs=pairs),
            HeadToHead(judge="rouge_l", label="ROUGE-L", pairs=pairs),
        ],
        command="ehrbench human-stats --task medalign --data-dir sample",
    )
