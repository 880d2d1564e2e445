"""The pages of ``view`` in a real browser: keys, search, scrolling, without script, and that no text leaves its page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ehrbench.scoring.loaded import find_runs, load_run
from ehrbench.workbench.access import OneDoor
from ehrbench.workbench.pages import FOLDER
from ehrbench.workbench.rate.adjudicate import AdjudicatePages, consensus_of, disputed
from ehrbench.workbench.rate.export import collect
from ehrbench.workbench.rate.serve import open_study
from ehrbench.workbench.rate.store import Action
from ehrbench.workbench.view.serve import open_pages
from tests.workbench.conftest import make_study
from tests.workbench.served import Command, in_thread
from tests.workbench.test_rate_browser import AXE, Rater, check_page

pytestmark = pytest.mark.browser


@pytest.fixture
def link(looked: Path) -> Iterator[str]:
    doors = OneDoor()
    with in_thread(*open_pages([looked]).app(doors)) as port:
        yield f"http://127.0.0.1:{port}/enter/{doors.token}"


def test_style_and_script_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.suffix in (".css", ".js")) < 40_000


def test_from_the_list_to_items_by_keys(link: str, browser: Any) -> None:
    window = Rater(browser, link)
    page = window.page
    page.get_by_role("link", name="Metrics disagree").click()
    first = page.locator("tbody th a").first.text_content()
    page.locator("tbody th a").first.click()
    assert page.locator("h1 .soft").text_content() == first
    page.keyboard.press("j")
    page.wait_for_url(re.compile("at=1"))
    assert "sort=d" in page.url
    page.keyboard.press("k")
    page.wait_for_url(re.compile("at=0"))
    page.keyboard.press("f")
    page.wait_for_url(re.compile("#notes"))
    assert page.locator("input[name=flag]").is_checked()
    page.keyboard.press("n")
    page.keyboard.type("jf looks odd")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_load_state()
    assert page.locator("textarea").input_value() == "jf looks odd"
    page.get_by_label("Keys are on").uncheck()
    page.locator("h1").click()
    page.keyboard.press("j")
    page.reload()
    assert "at=0" in page.url and not page.get_by_label("Keys are on").is_checked()
    page.locator("input[name=flag]").uncheck()
    page.locator("textarea").fill("")
    page.get_by_role("button", name="Keep").click()
    assert window.wrong == []


def test_on_a_phone_the_list_is_read_without_scrolling_sideways(link: str, browser: Any) -> None:
    window = Rater(browser, link, viewport={"width": 390, "height": 844})
    page = window.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".scroll").evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    said = "cell => getComputedStyle(cell, '::before').content"
    labels = page.locator("tbody tr").first.locator("td[data-label]").evaluate_all(f"all => all.map({said})")
    assert any("metrics disagree" in label for label in labels) and any("record seen" in label for label in labels)
    page = window.open("/0/item/1")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".scores").first.evaluate("list => list.scrollWidth - list.clientWidth") <= 0


def test_the_record_scrolls_jumps_and_is_searched(link: str, browser: Any) -> None:
    window = Rater(browser, link)
    page = window.open("/0/item/1")
    pages = page.locator(".scroller .page")
    assert pages.count() == 1
    page.locator(".scroller").evaluate("s => { s.scrollTop = 0; s.dispatchEvent(new Event('scroll')); }")
    page.locator(".scroller .page").nth(1).wait_for()
    page.locator("select[name=page]").select_option(index=0)
    page.locator(".scroller .page[data-page='0']").wait_for()
    page.get_by_label("Find in the record").fill("atorvastatin")
    page.get_by_role("button", name="Find").click()
    page.locator(".hits li").first.wait_for()
    hits = page.locator(".hits li").count()
    assert hits > 1 and "atorvastatin" not in page.url
    page.locator(".hits a").last.click()
    block = page.locator(".hits a").last.get_attribute("data-block")
    page.locator(f"#b{block}").wait_for()
    assert "atorvastatin" in page.locator(f"#b{block}").text_content().lower()
    assert window.wrong == []


def test_what_the_model_did_not_see_is_grey_and_says_so(link: str, browser: Any, looked: Path) -> None:
    window = Rater(browser, link)
    runs = [load_run(folder) for folder in find_runs([looked])]
    cut = [run.manifest["config"]["context"]["context"] == "truncate" and run.manifest["config"]["limit"] == 12 for run in runs]
    k = cut.index(True)
    (n,) = [i for i, item in enumerate(runs[k].items) if item.id == "1248662069"]
    prediction = runs[k].predictions["1248662069"]
    assert prediction.record_tokens_seen < prediction.record_tokens  # type: ignore[operator]
    page = window.open(f"/0/item/{n + 1}?see={k}&page=0")
    assert page.locator(".unseen").count() == page.locator(".entry .text").count() > 3
    assert page.get_by_text("not seen by the model").count() > 3
    page = window.open(f"/0/item/{n + 1}?see={k}")
    assert page.locator(".entry .text:not(.unseen)").count() > 3
    page = window.open(f"/0/item/{n + 1}?see=all&page=0")
    assert page.locator(".unseen").count() == 0


def test_everything_reads_without_script(link: str, browser: Any) -> None:
    window = Rater(browser, link, java_script_enabled=False)
    page = window.open("/0/")
    assert page.locator("tbody tr").count() == 44
    page.locator("input[name=words]").fill("statin")
    page.get_by_role("button", name="Search").click()
    assert 0 < page.locator("tbody tr").count() < 44 and "statin" not in page.url
    page.locator("tbody th a").first.click()
    assert page.locator(".answer").count() == 4
    page.get_by_label("Find in the record").fill("atorvastatin")
    page.get_by_role("button", name="Find").click()
    assert page.locator(".hits li").count() > 1 and "atorvastatin" not in page.url
    page = window.open("/0/item/1?page=1")
    page.get_by_role("link", name="Earlier entries").click()
    assert "page=0" in page.url
    page.locator("textarea").fill("seen without script")
    page.get_by_role("button", name="Keep").click()
    assert page.locator("textarea").input_value() == "seen without script"
    page.locator("textarea").fill("")
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("link", name="The exact prompt").first.click()
    assert page.get_by_text("checked: this is what was sent").count() == 1
    page.get_by_role("link", name="The whole text, plain").click()
    assert "Instruction: Answer the following question" in page.content()


def test_no_text_of_a_record_is_in_logs_titles_addresses_or_headers(looked: Path, browser: Any) -> None:
    server = Command("view", looked)
    window = Rater(browser, server.wait_for_links()[""])
    told: list[str] = []
    window.page.on("response", lambda r: told.append(r.url + json.dumps(r.headers)))
    for path in ("/0/", "/0/item/1", "/0/item/1/prompt/0", "/0/item/nothing"):
        told.append(window.open(path).title())
    page = window.open("/0/item/1")
    page.get_by_label("Find in the record").fill("atorvastatin")
    page.get_by_role("button", name="Find").click()
    page.locator(".hits li").first.wait_for()
    window.open("/0/").locator("input[name=words]").fill("statin")
    page.get_by_role("button", name="Search").click()
    told += [page.url, page.title()]
    told.append(server.stop())
    run = load_run(find_runs([looked])[0])
    item = run.items[0]
    assert run.load_record is not None and item.record_id is not None
    words = set(re.findall(r"[a-z]{7,}", (item.question + run.load_record(item.record_id).text).lower()))
    assert "atorvastatin" in words and len(told) > 12
    said = set(re.findall(r"[a-z]{7,}", "\n".join(told).lower()))
    assert "atorvastatin" not in said and not {"myopathy", "hypertensive", "palpitations"} & said


@pytest.mark.skipif(AXE is None, reason="no axe-core: npm install axe-core, or set EHRBENCH_AXE to axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(link: str, browser: Any, scheme: str) -> None:
    window = Rater(browser, link, color_scheme=scheme, bypass_csp=True)
    for path in (
        "/0/",
        "/0/?sort=s0-s1&down=1&better=0",
        "/0/item/1",
        "/0/item/2?see=1&page=0",
        "/0/item/1/prompt/0",
        "/0/item/0",
    ):
        check_page(window.open(path), path)


def test_an_adjudicator_sees_what_differs_and_overwrites_nothing(runs: Any, tmp_path: Path, browser: Any) -> None:
    study = make_study(runs[:3], tmp_path / "study", items=3, per_item=2)
    names = [system.name for system in study.systems]
    with open_study(tmp_path / "study") as opened:
        for item in study.assignments:
            for rater in ("Ada", "Ben"):
                differs = rater == "Ben" and item == list(study.assignments)[1]
                clicks: list[tuple[str, str, Any]] = [("correct", name, not (differs and k == 0)) for k, name in enumerate(names)]
                clicks += [("reasons", names[0], ["does_not_address"])] if differs else []
                clicks += [("rank", name, k + 1) for k, name in enumerate(names)] + [("done", "", True)]
                for k, (field, subject, value) in enumerate(clicks):
                    opened.store.act(rater, item, Action(field, subject, value, f"{item}-{k:06}", k))
        before = collect(study, opened.material, opened.store.all_work())
        assert disputed(study, opened.store.all_work()) == [list(study.assignments)[1]]
        doors = OneDoor("consensus")
        pages = AdjudicatePages(study, opened.material, opened.store)
        with in_thread(*pages.app(doors)) as port:
            window = Rater(browser, f"http://127.0.0.1:{port}/enter/{doors.token}")
            page = window.open("/item/1")
            text = page.locator("main").inner_text()
            assert "Rater 1: correct; rank" in text
            assert re.search(r"Rater [12]: not correct; it does not address the instruction; rank 1", text)
            assert not any(name in page.content() for name in names)
            for letter in "ABC":
                page.locator(f"#{letter}").get_by_text("Correct", exact=True).click()
                page.locator(f"#{letter} .ranks").get_by_text("2", exact=True).click()
            page.get_by_role("button", name="Done").click()
            page.wait_for_url(f"{window.base}/")
            assert window.wrong == []
            if AXE is not None:
                for scheme in ("light", "dark"):
                    judge = Rater(browser, f"http://127.0.0.1:{port}/enter/{doors.token}", color_scheme=scheme, bypass_csp=True)
                    for path in ("/", "/item/1"):
                        check_page(judge.open(path), f"consensus {path}")
                    judge.context.close()
        work = opened.store.all_work()
        assert collect(study, opened.material, work) == before
        consensus = consensus_of(study, opened.material, work)
        assert [(j.rater, j.rank, j.correct) for j in consensus] == [("consensus", 2.0, True)] * 3
