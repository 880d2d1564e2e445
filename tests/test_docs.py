"""The documentation: its navigation, and the files, names, commands and options that its pages mention."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ehrbench.cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")),
]
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
TOP = "ehrbench|tests|docs|benchmarks|tasks|leaderboard|constraints|examples"
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


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


@each_page
def test_files_of_the_repository_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {name.rstrip("./") for name in re.findall(rf"`((?:{TOP})/[\w./-]+)`", text) if "docs/markup" not in name}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@each_page
def test_python_names_that_a_page_mentions_are_there(page: Path) -> None:
    groups = {f"ehrbench.{kind}" for kind in ("suites", "tasks", "readers", "metrics", "models", "answers")}
    named = set(re.findall(r"`(ehrbench(?:\.[A-Za-z_]\w*)+)", page.read_text(encoding="utf-8"))) - groups
    assert sorted(name for name in named if not _is_there(name)) == []


def _is_there(name: str) -> bool:
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:k]))
        except ImportError:
            continue
        for part in parts[k:]:
            found = getattr(found, part, None)
        return found is not None
    return False


@each_page
def test_commands_and_options_that_a_page_shows_are_there(page: Path) -> None:
    wrong = [shown for shown in _shown(page.read_text(encoding="utf-8")) if not _runs(shown)]
    assert wrong == []


def _shown(text: str) -> Iterator[str]:
    """Calls of ``ehrbench`` in code spans and code lines, up to a comment or the next command."""
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    blocks = [
        line
        for block in re.findall(r"^```(?:sh|console)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]
    for code in (*re.findall(r"`([^`\n]+)`", text), *lines, *blocks):
        found = re.search(r"(?:^|[\s/\"])ehrbench (\w[^#|;&\"]*)", code)
        if found and re.match(r"^(?:\$ |\.venv/bin/|[A-Z_]+=\S+ )?(?:.*--wrap \")?ehrbench ", code.strip()):
            yield found[1].strip()


def _runs(call: str) -> bool:
    command: Any = typer.main.get_command(app)
    words = call.split()
    while words and hasattr(command, "list_commands"):
        if words[0].isupper() or "|" in words[0]:
            return True  # a placeholder
        command = command.get_command(None, words.pop(0))
        if command is None:
            return False
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h", "--version"}
    return all(word.partition("=")[0].rstrip("],") in known for word in words if re.match(r"--[a-z]", word))


def test_plugins_stand_under_the_groups_that_the_pages_name() -> None:
    """Every group that is looked up is named on a page for those who write plugins."""
    looked_up = set(re.findall(r"\"(ehrbench\.(?:suites|tasks|readers|metrics|models|answers))\"", "".join(_sources())))
    said = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8") + (ROOT / "docs" / "writing-a-task.md").read_text(
        encoding="utf-8"
    )
    assert looked_up
    assert sorted(group for group in looked_up if group not in said) == []


def _sources() -> Iterator[str]:
    return (path.read_text(encoding="utf-8") for path in sorted((ROOT / "ehrbench").rglob("*.py")))
