"""The documentation's pictures of the workbench, taken of the demonstration.

    ehrbench demo --out DEMO && python benchmarks/screenshots.py DEMO docs/images

Needs playwright and a Chromium (EHRBENCH_CHROMIUM names it).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
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


def take(browser: Any, link: str, shots: Sequence[tuple[str, str]], out: Path, scheme: str = "light") -> None:
    """One picture per page and size."""
    for suffix, (width, height) in SIZES.items():
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page: Page = context.new_page()
        page.goto(link)
        page.wait_for_url(re.compile(r"/(0/)?$"))
        for name, path in shots:
            page.goto(link.partition("/enter/")[0] + path)
            page.screenshot(path=str(out / f"{name}{suffix}.png"))
        context.close()


def main() -> None:
    """Take them all."""
    demo, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    systems = sorted(path for path in (demo / "results").iterdir() if path.name.startswith(("juniper-32k", "alder-7b")))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("EHRBENCH_CHROMIUM", "/usr/bin/chromium"), args=["--headless", "--no-sandbox"]
        )
        with served("view", *systems) as link:
            take(browser, link, [("view-list", "/0/?sort=s0-s1"), ("view-item", "/0/item/1?at=0")], out)
        with served("rate", "serve", demo / "study") as link:
            take(browser, link, [("rate-item", "/item/1")], out)
        browser.close()


if __name__ == "__main__":
    main()
