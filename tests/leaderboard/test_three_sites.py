"""Three sites in a browser: the demonstration's, the papers' rows alone, and forty invented models with gaps.

On each: nothing is asked for or complained about, axe finds nothing, the pages are valid, the keyboard reaches everything, and
paper has every column.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.build import build
from ehrbench.leaderboard.check import check_site
from ehrbench.results.store import write_result
from ehrbench.suites.demo import correlate_sample, run_demo, run_other_suites, run_windows
from tests.leaderboard.invented import invented, model_names, models_yaml
from tests.leaderboard.reader import Reader
from tests.leaderboard.test_browser import AXE, axe_faults

pytestmark = pytest.mark.browser

KINDS = ("index.html", "models.html", "compare.html", "methods.html", "about.html")


@pytest.fixture(scope="module", params=["demo", "published", "invented"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    results = folder / "results"
    results.mkdir()
    if request.param == "demo":
        for run in (run_demo, run_windows, run_other_suites):
            assert all(done.result.synthetic for done in run(folder))
        correlate_sample(folder)
    if request.param == "invented":
        write_result(results / "a.results.json", list(invented(40, 105)))
        (results / "models.yaml").write_text(models_yaml(model_names(40)))
    build([results, asset_dir("published")], folder / "site")
    return folder / "site"


def pages(site: Path) -> list[Path]:
    """One page of every kind, the largest where there are several."""
    found = [site / name for name in (*KINDS, "agreement.html") if (site / name).exists()]
    return found + [max((site / kind).iterdir(), key=lambda path: path.stat().st_size) for kind in ("suites", "tasks", "models")]


def test_pages_are_valid_and_ask_for_nothing(site: Path, reader: Reader) -> None:
    assert check_site(site) == []
    for path in pages(site):
        reader.open(path)
        assert reader.page.locator("h1").count() == 1
        assert path.stat().st_size < 1_000_000
    assert reader.wrong == []


@pytest.mark.skipif(AXE is None, reason="no axe-core: npm install axe-core, or set EHRBENCH_AXE to axe.min.js")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_nothing(site: Path, browser: Any, scheme: str, width: int) -> None:
    one = Reader(browser, color_scheme=scheme, bypass_csp=True)
    one.page.set_viewport_size({"width": width, "height": 844})
    for path in pages(site):
        assert axe_faults(one.open(path)) == [], path.name
    one.context.close()


def test_the_keyboard_searches_sorts_filters_and_compares(site: Path, reader: Reader) -> None:
    page = reader.open(site / "index.html")
    page.locator("input[name=q]").focus()
    page.keyboard.type("medalign")
    assert page.locator(".found li a").first.is_visible()
    page.locator("input[name=q]").fill("nothing has this name")
    assert page.locator(".found").text_content() == "Nothing found."
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Enter")
    assert page.locator(".found").is_hidden()
    sort = page.locator("table.board:visible .sort").nth(1)
    sort.focus()
    page.keyboard.press("Enter")
    assert page.locator("table.board:visible th[aria-sort]").count() == 1
    if page.locator("details summary:has-text('Filter models')").count():
        page.locator("summary:has-text('Filter models')").focus()
        page.keyboard.press("Enter")
        page.locator("select[name=open]").focus()
        page.keyboard.press("ArrowDown")
        assert "open=" in page.url
        assert "filtered by" in page.locator(".status").text_content()
        rows = page.locator("table.board:visible tbody tr:visible th a")
        if rows.count():  # the demonstration's models are invented, so none has open weights
            rows.first.click()
            assert "open=" in page.url
    page = reader.open(site / "suites/meds_bench.html")
    cell = page.locator("table.map td[tabindex='0']").first
    cell.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator(".detail:visible").count() == 1
    assert ":" in page.locator(".detail:visible p").first.text_content()
    page = reader.open(site / "models.html")
    for k in (0, 1):
        page.locator("table.pick input[type=checkbox]").nth(k).focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare 2").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare.html#*")
    assert page.locator(".chips button").count() == 2
    assert reader.wrong == []


def test_paper_has_every_column(site: Path, reader: Reader, tmp_path: Path) -> None:
    page = reader.open(site / "suites/meds_bench.html")
    wanted = page.eval_on_selector_all(
        "table.map", "all => all.map(t => t._heads.filter(h => h.dataset.key !== 'model').map(h => h._title)).flat()"
    )
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    script = "all => all.filter(h => h.checkVisibility()).map(h => h.textContent.replace(/[↕↑↓]/g, ''))"
    shown = page.eval_on_selector_all(".map thead th", script)
    for title in wanted:
        assert any(title in text for text in shown), title
    width = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.map')].filter(t => t.checkVisibility()).map(t => t.offsetWidth))"
    )
    assert width < 1100
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator(".bands").count() == 0
    page.pdf(path=str(tmp_path / "a.pdf"), prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "a.pdf").read_bytes())) >= 2
