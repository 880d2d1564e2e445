"""Pictures of the leaderboard's pages, and how long a sort takes, in a real browser."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.build import build
from ehrbench.results.store import write_result
from tests.leaderboard.invented import invented, model_names, models_yaml
from tests.leaderboard.sample import season

CHROMIUM = os.environ.get("EHRBENCH_CHROMIUM", "/usr/bin/chromium")
WIDTHS = (390, 1024, 1440)
PAGES = {
    "overview": "index.html",
    "suite": "suites/meds_bench.html",
    "suite-one-task": "suites/medalign.html",
    "task": "tasks/medalign.html",
    "model": "models/{model}.html",
    "models": "models.html",
    "compare": "compare.html#{model},{other}",
    "agreement": "agreement.html",
    "methods": "methods.html",
    "about": "about.html",
}


def take(out: Path, readme: bool = False) -> Iterator[Path]:
    """Pictures of every kind of page at three widths; with ``readme`` the few that the documentation shows."""
    out.mkdir(parents=True, exist_ok=True)
    names = model_names(40)
    with tempfile.TemporaryDirectory() as temporary, _browser() as browser:
        folder, site = Path(temporary, "results"), Path(temporary, "site")
        write_result(folder / "invented.results.json", [*invented(40, 105), *season(7)])
        (folder / "models.yaml").write_text(models_yaml(names), encoding="utf-8")
        build([folder, asset_dir("published")], site, title="An invented season")
        from ehrbench.leaderboard.text import slugs

        slug = slugs(names)
        fill = {"model": slug[names[9]], "other": slug[names[12]]}
        for kind, place in PAGES.items():
            if readme and kind not in ("overview", "suite", "task"):
                continue
            path, _, fragment = place.format(**fill).partition("#")
            for width in (1200,) if readme else WIDTHS:
                page = browser.new_page(viewport={"width": width, "height": 844 if width < 500 else 900})
                page.goto((site / path).as_uri() + (f"#{fragment}" if fragment else ""))
                name = out / (f"leaderboard-{kind}.png" if readme else f"{kind}-{width}.png")
                page.screenshot(path=str(name), full_page=False)
                yield name
                page.close()


def sort_time(site: Path) -> float | None:
    """Seconds that the largest map takes to sort by its first column, all rows, drawing included: the median of seven sorts.

    None without a browser.
    """
    try:
        with _browser() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            largest = max((site / "suites").iterdir(), key=lambda path: path.stat().st_size)
            page.goto(largest.as_uri())
            click = (
                "async () => { const b = document.querySelector('.map .sort'); const t = performance.now(); b.click();"
                " await new Promise(r => requestAnimationFrame(() => setTimeout(r))); return (performance.now() - t) / 1000; }"
            )
            seconds: list[float] = []
            for _ in range(7):
                page.wait_for_timeout(300)
                seconds.append(page.evaluate(click))
            return median(seconds)
    except RuntimeError:
        return None


@contextmanager
def _browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RuntimeError("pictures need playwright: pip install playwright") from None
    if not Path(CHROMIUM).exists():
        raise RuntimeError(f"no Chromium at {CHROMIUM}: install one or set EHRBENCH_CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()
