"""Raters at work in a real browser: mouse alone, keyboard alone, two windows, a killed server, and what the page may not tell."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ehrbench.runs.folder import RunFolder
from ehrbench.workbench.rate.answers import load_material
from ehrbench.workbench.rate.app import RatePages
from ehrbench.workbench.rate.serve import Opened, open_study
from ehrbench.workbench.rate.store import Store
from ehrbench.workbench.rate.study import Study
from tests.workbench.conftest import make_study
from tests.workbench.served import Client, Command, in_thread

pytestmark = pytest.mark.browser
AXE = next((p for p in (Path(os.environ.get("EHRBENCH_AXE", "node_modules/axe-core/axe.min.js")),) if p.is_file()), None)
WIDTHS = (390, 1024, 1440)


class Rater:
    """A browser window of one rater, and everything that went wrong in it."""

    def __init__(self, browser: Any, link: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.base = link.split("/enter/")[0]
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda r: self.wrong.append(r.url[:80]) if not r.url.startswith((self.base, "data:")) else None)
        self.page.goto(link)
        self.page.wait_for_url(re.compile(rf"{re.escape(self.base)}/(0/)?$"))

    def open(self, path: str) -> Any:
        self.page.goto(self.base + path)
        return self.page

    def saved(self) -> None:
        self.page.get_by_text("All is saved.", exact=True).wait_for()


@pytest.fixture
def opened(runs: list[RunFolder], tmp_path: Path) -> Iterator[Opened]:
    make_study(runs, tmp_path / "study", items=4, per_item=2)
    with open_study(tmp_path / "study", alone=True) as one:
        yield one


@pytest.fixture
def links(opened: Opened) -> Iterator[dict[str, str]]:
    app, gate = RatePages(opened.study, opened.material, opened.store).app()
    with in_thread(app, gate) as port:
        tokens = opened.store.links([rater.name for rater in opened.study.raters])
        yield {name: f"http://127.0.0.1:{port}/enter/{token}" for name, token in tokens.items()}


def quality(opened: Opened) -> dict[str, int]:
    """What both scripted raters think of the systems: the plan's order, the last two alike."""
    return {system.name: min(k + 1, 5) for k, system in enumerate(opened.study.systems)}


def letters_of(opened: Opened, rater: str, number: int) -> dict[str, str]:
    item = opened.study.items_of(rater)[number - 1]
    return RatePages(opened.study, opened.material, opened.store).letters(rater, item)


def test_two_raters_by_mouse_and_keyboard_to_the_statistics(
    opened: Opened, links: dict[str, str], browser: Any, tmp_path: Path
) -> None:
    ranks = quality(opened)
    mouse, keys = Rater(browser, links["Ada"]), Rater(browser, links["Ben"])
    page = mouse.page
    page.get_by_role("link", name="Begin with item 1").click()
    for number in range(1, 5):
        for letter, system in letters_of(opened, "Ada", number).items():
            answer = page.locator(f"#{letter}")
            good = ranks[system] <= 2
            answer.get_by_text("Correct" if good else "Not correct", exact=True).click()
            if not good:
                answer.get_by_text("It does not address the instruction.").click()
            if number == 1:  # by number; then by drag
                answer.locator(".ranks").get_by_text(str(ranks[system]), exact=True).click()
            else:
                page.drag_and_drop(f".chip[data-letter={letter}]", f".board li[data-rank='{ranks[system]}']")
        mouse.saved()
        page.get_by_role("button", name="Done").click()
        page.wait_for_url(f"{mouse.base}/item/{number + 1}" if number < 4 else f"{mouse.base}/")
    assert page.get_by_text("All your items are done. Thank you.").count() == 1

    page = keys.open("/item/1")
    for number in range(1, 5):
        for letter, system in letters_of(opened, "Ben", number).items():
            page.keyboard.press(f"Alt+{letter.lower()}")
            page.keyboard.press("y" if ranks[system] <= 2 else "n")
            page.keyboard.press(str(ranks[system]))
            if ranks[system] > 2:
                page.locator(f"#{letter} .why input").nth(2).focus()
                page.keyboard.press("Space")
        page.locator(".bar button").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{keys.base}/item/{number + 1}" if number < 4 else f"{keys.base}/")
    assert mouse.wrong == [] and keys.wrong == []

    table, own = tmp_path / "ratings.csv", tmp_path / "own"
    environment = dict(os.environ)

    def ehrbench(*arguments: object) -> Any:
        command = [sys.executable, "-m", "ehrbench", *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ehrbench("rate", "export", tmp_path / "study", "--out", table, "--release", own)
    status = ehrbench("rate", "status", tmp_path / "study")
    assert [(r["done"], r["assigned"]) for r in status["raters"]] == [(4, 4), (4, 4)]
    assert status["agreement"]["tau_b"]["value"] == pytest.approx(1.0)
    assert not any(system.name in json.dumps(status) for system in opened.study.systems), "status tells no system"
    for where in (["--ratings", table], ["--task", "medalign", "--data-dir", own]):
        human = ehrbench("human-stats", *where)
        by_name = {s["name"]: s for s in human["systems"]}
        names = [system.name for system in opened.study.systems]
        assert [by_name[n]["mean_rank"]["value"] for n in names] == pytest.approx([1, 2, 3, 4, 5.5, 5.5])
        assert [by_name[n]["correct"]["value"] for n in names] == [1, 1, 0, 0, 0, 0]
        agreement = ehrbench("agreement", *where)
        assert agreement["tau"]["value"] == pytest.approx(1.0)
        assert agreement["alpha_verdicts"]["value"] == pytest.approx(1.0)
    scores = tmp_path / "scores.csv"
    rows = [f"{item},{name},known,{-rank}" for item in opened.study.assignments for name, rank in ranks.items()]
    scores.write_text("item,system,metric,score\n" + "\n".join(rows) + "\n")
    correlation = ehrbench("correlate", "--ratings", table, "--scores", scores, "--resamples", 200)
    (metric,) = correlation["metrics"]
    assert (metric["name"], metric["value"]) == ("known", pytest.approx(1.0))


def test_no_response_tells_a_system(opened: Opened, links: dict[str, str], browser: Any) -> None:
    rater = Rater(browser, links["Ada"])
    bodies: list[str] = []
    rater.page.on("response", lambda response: bodies.append(str(response.headers) + response.url + response.text()))
    for path in ("/", "/help", "/item/1", "/item/2"):
        rater.open(path)
        rater.page.wait_for_load_state("networkidle")
    page = rater.open("/item/1")
    page.locator("#A .ranks input").first.check()
    rater.saved()
    page.reload()
    told = "\n".join([*bodies, page.content(), json.dumps(rater.context.cookies())])
    assert len(bodies) >= 6
    for system in opened.study.systems:
        assert system.name not in told
        assert system.config_hash[:8] not in told
        assert system.answers_hash not in told


def test_no_text_of_a_record_is_in_logs_titles_addresses_or_headers(runs: list[RunFolder], tmp_path: Path, browser: Any) -> None:
    study = make_study(runs[:2], tmp_path / "study", items=3)
    server = Command("rate", "serve", tmp_path / "study")
    rater = Rater(browser, server.wait_for_links(2)["Ada"])
    told: list[str] = []
    rater.page.on("response", lambda r: told.append(r.url + json.dumps(r.headers)))
    material = load_material(tmp_path / "study", study)
    item = material.items[study.items_of("Ada")[0]]
    assert material.load_record is not None and item.record_id is not None
    words = set(re.findall(r"[a-z]{7,}", (item.question + material.load_record(item.record_id).text).lower()))
    for path in ("/", "/help", "/item/1", "/item/nothing"):
        told.append(rater.open(path).title())
    page = rater.open("/item/1")
    page.get_by_label("Find in the record").fill("hemoglobin")
    page.get_by_role("button", name="Find").click()
    page.locator(".hits").wait_for()
    page.locator("#A .ranks input").first.check()
    rater.saved()
    told += [page.url, page.title(), server.stop()]
    said = set(re.findall(r"[a-z]{7,}", "\n".join(told).lower()))
    ours = {"ehrbench", "control"}  # the program, and Cache-Control
    assert len(words) > 100 and words & said <= ours and "hemoglobin" not in said, words & said


def test_two_windows_cannot_overwrite_each_other(opened: Opened, links: dict[str, str], browser: Any) -> None:
    one, two = Rater(browser, links["Ada"]), Rater(browser, links["Ada"])
    first, second = one.open("/item/1"), two.open("/item/1")
    first.locator("#A .ranks input").nth(0).check()
    one.saved()
    second.locator("#A .ranks input").nth(3).check()
    second.get_by_text("changed in another window").wait_for()
    assert second.locator("#A .ranks input").first.is_disabled()
    item = opened.study.items_of("Ada")[0]
    assert list(opened.store.work("Ada", item).state["rank"].values()) == [1]
    second.reload()
    assert second.locator("#A .ranks input").nth(0).is_checked()
    second.locator("#A .ranks input").nth(3).check()
    two.saved()
    assert list(opened.store.work("Ada", item).state["rank"].values()) == [4]
    second.goto(two.base + "/")
    second.go_back()
    assert second.locator("#A .ranks input").nth(3).is_checked(), "a browser that goes back shows what is kept"


def test_nobody_opens_anothers_items(opened: Opened, links: dict[str, str], runs: list[RunFolder], tmp_path: Path) -> None:
    make_study(runs, tmp_path / "other", items=5)
    with open_study(tmp_path / "other") as other:
        app, gate = RatePages(other.study, other.material, other.store).app()
        with in_thread(app, gate) as port:
            client = Client(port)
            client.enter(other.store.links(["Ada", "Ben"])["Ada"])
            mine, theirs = other.study.items_of("Ada"), other.study.items_of("Ben")
            assert set(mine).isdisjoint(theirs)
            shown = "".join(client.ask(f"/item/{n}").text for n in range(1, len(mine) + 1))
            assert client.ask(f"/item/{len(mine) + 1}").status == 404
            assert client.act(len(mine) + 1, "note", "", "x", 0, "click-0001").status == 404
            for item in theirs:
                assert other.material.items[item].question not in client.ask("/").text + shown
            for odd in ("0", "-1", "x", "1/../2", "99999999999999999999"):
                assert client.ask(f"/item/{odd}").status in (403, 404)


def test_a_page_of_another_site_can_neither_read_nor_write(opened: Opened, links: dict[str, str], browser: Any) -> None:
    rater = Rater(browser, links["Ada"])
    from aiohttp import web

    from ehrbench.workbench.access import Gate, OneDoor

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<h1>another site</h1>", content_type="text/html")

    other = web.Application()
    other.router.add_get("/", page)
    with in_thread(other, Gate(OneDoor(), "", lambda *a: web.Response())) as port:
        rater.page.goto(f"http://localhost:{port}/")
        script = """async (url) => {
          const out = [];
          for (const options of [{}, {credentials: 'include'}, {credentials: 'include', mode: 'no-cors'}])
            out.push(await fetch(url, options).then(r => r.text()).catch(() => 'refused'));
          const write = {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'};
          out.push(await fetch(url, write).then(r => r.text()).catch(() => 'refused'));
          const frame = document.createElement('iframe');
          frame.src = url;
          document.body.append(frame);
          await new Promise(go => setTimeout(go, 500));
          try { out.push(frame.contentDocument ? frame.contentDocument.body.innerText : ''); } catch { out.push('refused'); }
          return out;
        }"""
        found = rater.page.evaluate(script, rater.base + "/item/1")
        # The same machine under another port: cookies go along, so the server itself has to refuse.
        rater.page.goto(f"http://127.0.0.1:{port}/")
        found += rater.page.evaluate(script, rater.base + "/item/1")
    assert set(found) <= {"refused", ""}
    item = opened.study.items_of("Ada")[0]
    assert opened.store.work("Ada", item).version == 0


def test_a_killed_server_loses_no_acknowledged_click(runs: list[RunFolder], tmp_path: Path) -> None:
    """SIGKILL at 20 moments while two raters click; the browser's part (send again until acknowledged) is played here."""
    folder = tmp_path / "study"
    study = make_study(runs, folder, items=3, per_item=2)
    acknowledged: dict[tuple[str, str], list[int]] = {}
    rng = random.Random(5)
    kills = 20
    links: dict[str, str] | None = None
    state = {(r.name, n): 0 for r in study.raters for n in range(1, 4)}
    for _ in range(kills):
        server = Command("rate", "serve", folder)
        found = server.wait_for_links(2)
        tokens = {name: link.rpartition("/")[2] for name, link in found.items()}
        assert links is None or tokens == links, "links outlive the server"
        links = tokens
        port = int(re.search(r":(\d+)/", next(iter(found.values())))[1])  # type: ignore[index]
        stop = threading.Event()

        def work(name: str, port: int = port, tokens: dict[str, str] = tokens, stop: threading.Event = stop) -> None:
            client = Client(port)
            try:
                client.enter(tokens[name])
                while not stop.is_set():
                    n = random.choice((1, 2, 3))
                    rank = random.randint(1, 6)
                    reply = client.act(n, "rank", "A", rank, state[name, n], f"{name}-{n}-{random.random()}")
                    if reply.status == 200:
                        state[name, n] = reply.json()["version"]
                        acknowledged.setdefault((name, study.items_of(name)[n - 1]), []).append(rank)
                    elif reply.status == 409:  # the click before was kept, and its acknowledgement lost with the server
                        state[name, n] = reply.json()["version"]
            except OSError:
                return

        threads = [threading.Thread(target=work, args=(rater.name,)) for rater in study.raters]
        for thread in threads:
            thread.start()
        stop.wait(rng.uniform(0.02, 0.4))
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
    store = Store(folder / "private" / "ratings.sqlite")
    assert sum(map(len, acknowledged.values())) > kills
    for (name, item), ranks in acknowledged.items():
        kept = iter([value for _, field, _, value in store.history(name, item) if field == "rank"])
        assert all(rank in kept for rank in ranks), "every acknowledged click is in the history, in its order"


def test_two_raters_click_on_while_the_server_is_killed(runs: list[RunFolder], tmp_path: Path, browser: Any) -> None:
    """Two windows that stay open: what is clicked while the server is away is sent when it is back, once and in its order."""
    folder = tmp_path / "study"
    study = make_study(runs, folder, items=3, per_item=2)
    rng = random.Random(7)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clicked: dict[str, list[int]] = {rater.name: [] for rater in study.raters}
    windows: dict[str, Rater] = {}
    for kill in range(4):
        server = Command("rate", "serve", folder, "--port", str(port))
        links = server.wait_for_links(2)
        if kill == 0:
            windows = {name: Rater(browser, link) for name, link in links.items()}
            for one in windows.values():
                one.open("/item/1")
        timer = threading.Timer(rng.uniform(0.05, 0.5), server.process.kill)
        if kill < 3:
            timer.start()
        for _ in range(8):
            for name, one in windows.items():
                rank = rng.choice([k for k in range(1, 7) if k != (clicked[name] or [0])[-1]])
                one.page.locator("#A .ranks").get_by_text(str(rank), exact=True).click()
                clicked[name].append(rank)
        if kill < 3:
            timer.join()
            server.kill()
    for one in windows.values():
        one.saved()
    server.stop()
    store = Store(folder / "private" / "ratings.sqlite")
    for name, ranks in clicked.items():
        assert [value for _, field, _, value in store.history(name, study.items_of(name)[0]) if field == "rank"] == ranks


def test_a_second_server_is_told_so(opened: Opened, tmp_path: Path) -> None:
    second = Command("rate", "serve", tmp_path / "study")
    second.process.wait(30)
    assert second.process.stderr is not None
    assert "is working on" in second.process.stderr.read()
    assert second.process.returncode == 2
    second._close()


def test_without_script_it_says_that_judging_needs_it(links: dict[str, str], browser: Any) -> None:
    rater = Rater(browser, links["Ada"], java_script_enabled=False)
    page = rater.open("/item/1")
    assert page.get_by_text("Judging needs JavaScript").is_visible()
    assert page.locator(".entry").count() > 3


@pytest.mark.parametrize("mode", ["rank", "correct", "pairs", "likert"])
def test_every_mode_can_be_finished_by_keyboard(runs: list[RunFolder], tmp_path: Path, browser: Any, mode: str) -> None:
    study: Study = make_study(runs[:3], tmp_path / "study", items=2, mode=mode)
    with open_study(tmp_path / "study") as opened:
        app, gate = RatePages(study, opened.material, opened.store).app()
        with in_thread(app, gate) as port:
            rater = Rater(browser, f"http://127.0.0.1:{port}/enter/{opened.store.links(['Ada'])['Ada']}")
            page = rater.open("/item/1")
            page.locator(".bar button").click()
            page.get_by_text("Still missing").wait_for()
            for k in range(page.locator("form.rest fieldset:not([hidden]) .choices").count() - 1):
                page.locator("form.rest fieldset:not([hidden]) .choices").nth(k).locator("input").first.focus()
                page.keyboard.press("Space")
            rater.saved()
            page.locator(".bar button").focus()
            page.keyboard.press("Enter")
            page.wait_for_url(re.compile(r"/(item/2)?$"))
            assert rater.wrong == []
        assert [w.done for w in opened.store.all_work().values()] == [True]


@pytest.mark.skipif(AXE is None, reason="no axe-core: npm install axe-core, or set EHRBENCH_AXE to axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(links: dict[str, str], browser: Any, scheme: str) -> None:
    rater = Rater(browser, links["Ada"], color_scheme=scheme, bypass_csp=True)
    for path in ("/", "/help", "/item/1", "/item/99"):
        page = rater.open(path)
        check_page(page, path)


def check_page(page: Any, name: str) -> None:
    """Axe, and no page wider than its window."""
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate("for (const f of document.querySelectorAll('.why')) f.hidden = false")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    page.add_script_tag(path=str(AXE))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
    assert [(one["id"], one["nodes"][0]["html"][:160]) for one in found["violations"]] == [], name
