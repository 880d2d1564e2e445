"""docs/writing-a-task.md, taken literally."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from ehrbench.tasks.answers import ANSWERS
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import TaskSpec
from ehrbench.tasks.task_file import merge
from ehrbench.tasks.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "writing-a-task.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files in an empty folder."""
    for block in BLOCK.finditer(PAGE):
        if block["title"]:
            path = tmp_path / block["title"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["body"], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> list[list[str]]:
    bodies = [block["body"] for block in BLOCK.finditer(PAGE) if block["kind"] == "console"]
    lines = [shlex.split(line[2:]) for body in bodies for line in body.splitlines() if line.startswith("$ ")]
    assert all(line[0] == "ehrbench" for line in lines)
    return [[sys.executable, "-m", *line] for line in lines]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_the_example_needs_no_python(files: Path) -> None:
    validated, ran = (subprocess.run(command, capture_output=True, text=True, env=environment()) for command in commands())
    assert validated.returncode == 0, validated.stderr
    assert validated.stdout.startswith("ward.yes_no (clean): 3 of 3 items rendered")
    assert validated.stdout.endswith("1 task checked, no problems\n")
    assert ran.returncode == 0, ran.stderr
    (result,) = (json.loads(path.read_text()) for path in files.glob("results/*/ward.yes_no/*/result.json"))
    assert result["outcomes"] == {"answered": 3}
    assert not result.get("partial", False)


def test_the_table_and_its_include(files: Path) -> None:
    catalog = load_catalog([files / "suite"])
    drugs, organisms = catalog.select("labels")
    assert (drugs.title, drugs.data.policy, drugs.data.options) == ("Drugs", "credentialed", {"file": "drugs.jsonl"})
    assert (organisms.data.policy, organisms.prompt.system) == ("open", "Answer with one label.")
    assert organisms.generation.max_tokens == 32


def test_the_protocol_block_is_valid(files: Path) -> None:
    block = next(block["body"] for block in BLOCK.finditer(PAGE) if block["body"].startswith("references: all"))
    path = files / "my_tasks" / "ward.yaml"
    path.write_text(path.read_text() + block)
    catalog = load_catalog([path])
    assert (catalog.get("ward.yes_no").references, catalog.get("ward.yes_no", "paper").references) == ("all", "first")
    assert merge({}, read_yaml(path).value)["protocol"] == {"paper": {"references": "first"}}


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = [part for part in (field.annotation, *typing.get_args(field.annotation)) if typing.get_origin(part) is None]
        section = next((part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)), None)
        found += keys(section, f"{prefix}{name}.") if section and name != "variants" else [f"{prefix}{name}"]
    return found


@pytest.mark.parametrize("key", keys(TaskSpec))
def test_every_key_is_explained(key: str) -> None:
    assert f"`{key}`" in PAGE


def test_every_clean_up_is_explained() -> None:
    assert [name for name in ANSWERS if f"\n| `{name}` |" not in PAGE] == []
