"""The documentation's pictures of the workbench, taken of the demonstration.

    ehrbench demo --out DEMO && python benchmarks/screenshots.py DEMO docs/images
    python benchmarks/screenshots.py DEMO DIR --all     # every page, whole, at 390, 1024 and 1440 pixels, light and dark

Needs playwright and a Chromium (EHRBENCH_CHROMIUM names it).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

SIZES = {"": (1280, 800), "-phone": (390, 800)}


@contextmanager
def served(*arguments: str | Path) -> Iterator[str]:
    """A serving command; gives the last link that it printed at once."""
    command = [sys.executable, "-m", "ehrbench", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    try:
        while not (found := re.search(r"https?://\S+/enter/\S+", process.stdout.readline())):
            if process.poll() is not None:
                raise SystemExit(f"the command ended: {' '.join(command)}")
        yield found[0]
    finally:
        process.terminate()
        process.wait()


Shots = Sequence[tuple[str, str]]
"""Names of pictures, and the pages that they show."""
DOCUMENTED: dict[str, Shots] = {
    "view": [("view-list", "/0/?sort=s0-s1"), ("view-item", "/0/item/1?at=0")],
    "rate": [("rate-item", "/item/1")],
}
EVERY: dict[str, Shots] = {
    "view": [
        ("view-list", "/0/"),
        ("view-item", "/0/item/1?at=0"),
        ("view-not-seen", "/0/item/2?see=1&page=0"),
        ("view-prompt", "/0/item/1/prompt/0"),
        ("view-nothing", "/0/item/0"),
    ],
    "rate": [("rate-list", "/"), ("rate-help", "/help"), ("rate-item", "/item/1"), ("rate-nothing", "/item/99")],
    "adjudicate": [("adjudicate-list", "/"), ("adjudicate-item", "/item/1")],
}


def take(browser: Any, link: str, shots: Shots, out: Path, sizes: Mapping[str, tuple[int, int]], **options: Any) -> None:
    """One picture per page and size; ``options``: of the browser's windows, and ``full_page``."""
    full_page = options.pop("full_page", False)
    for suffix, (width, height) in sizes.items():
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page: Page = context.new_page()
        page.goto(link)
        page.wait_for_url(re.compile(r"/(0/)?$"))
        for name, path in shots:
            page.goto(link.partition("/enter/")[0] + path)
            page.screenshot(path=str(out / f"{name}{suffix}.png"), full_page=full_page)
        context.close()


def main() -> None:
    """Take them all."""
    demo, out, more = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    out.mkdir(parents=True, exist_ok=True)
    systems = sorted(path for path in (demo / "results").iterdir() if path.name.startswith(("juniper-32k", "alder-7b")))
    commands: dict[str, tuple[str | Path, ...]] = {
        "view": ("view", *systems),
        "rate": ("rate", "serve", demo / "study"),
        "adjudicate": ("rate", "adjudicate", demo / "study"),
    }
    whole = more == ["--all"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("EHRBENCH_CHROMIUM", "/usr/bin/chromium"), args=["--headless", "--no-sandbox"]
        )
        for kind, shots in (EVERY if whole else DOCUMENTED).items():
            with served(*commands[kind]) as link:
                if not whole:
                    take(browser, link, shots, out, SIZES)
                    continue
                for scheme in ("light", "dark"):
                    sizes = {f"-{width}-{scheme}": (width, 844 if width < 500 else 900) for width in (390, 1024, 1440)}
                    take(browser, link, shots, out, sizes, color_scheme=scheme, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
