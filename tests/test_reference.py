"""The reference pages are what the code says, and each option is explained in a full phrase."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from ehrbench.cli import app
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "reference"
WRITE = runpy.run_path(str(FOLDER / "write.py"))


@pytest.mark.parametrize("page", sorted(WRITE["PAGES"]))
def test_a_page_is_what_the_code_says(page: str) -> None:
    written = (FOLDER / page).read_text(encoding="utf-8")
    assert written == WRITE["render"](page), "run `python docs/reference/write.py`"


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from leaves(command.get_command(None, name), f"{path} {name}")
    else:
        yield path, command


@pytest.mark.parametrize(("path", "command"), list(leaves(typer.main.get_command(app), "ehrbench")))
def test_commands_arguments_and_options_are_explained_in_full_phrases(path: str, command: Any) -> None:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    for name, text in [(path, command.help), *((one.name, one.help) for one in shown)]:
        said = (text or "").partition(" [default: ")[0].strip()
        assert len(said) >= 10, f"{path}: {name} says only '{said}'"
        assert said[0].isupper() or said[0] in "`", f"{path}: {name}: '{said}'"
        assert said.endswith((".", "/", ")")), f"{path}: {name}: '{said}'"
