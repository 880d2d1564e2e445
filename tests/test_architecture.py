"""The core names no benchmark, and looks at abilities by protocol, not by the name of an attribute."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

CORE = ROOT / "ehrbench"


def files() -> Iterator[Path]:
    return (path for path in sorted(CORE.rglob("*.py")) if "suites" not in path.relative_to(CORE).parts)


def test_the_core_names_no_benchmark() -> None:
    pattern = re.compile("medalign|meds_bench|mimic_instr|ehr_bench|ehrshot")
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert named == []


def test_abilities_of_models_are_asked_with_isinstance() -> None:
    pattern = re.compile(
        r"(?:get|has)attr\(\w*(?:model|judge|planning)\b, \"(?:describe|fit|price|reads_choices|log_likelihoods)\""
    )
    assert [path.name for path in files() if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_the_page_lists_the_rooms_in_the_order_of_the_contract() -> None:
    contract = re.search(r"^layers = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)]
    assert contract
    layers = [re.findall(r"\w+", layer) for layer in re.findall(r'"(.+?)"', contract[1])]
    assert [sorted(row) for row in rows] == [sorted(layer) for layer in layers]
