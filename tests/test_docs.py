"""The documentation's navigation, which the strict build does not check."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def pages(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for part in (entry if isinstance(entry, list) else entry.values()) for page in pages(part)]


def test_the_navigation_names_every_page_once() -> None:
    named = Counter(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(there - set(named)) == [], "a page that nothing leads to"
    assert sorted(set(named) - there) == [], "no such page"
    assert [page for page, times in named.items() if times > 1] == []
