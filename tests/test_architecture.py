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
    pattern = re.compile("medalign|meds_bench|mimic_instr|ehr_bench")
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
