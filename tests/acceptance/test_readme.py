"""What the README states is what the command prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ehrbench.metrics import METRICS
from tests.acceptance.chart import ROOT, ehrbench

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    if reason := METRICS.get("meteor").unavailable():
        pytest.skip(reason)
    command = re.search(r"^    \$ ehrbench (run .*)$", README, re.MULTILINE)
    assert command
    finished = ehrbench(*command.group(1).split(), "--out", tmp_path / "out", home=tmp_path / "home")
    assert finished.returncode == 0, finished.stderr
    shown = README.split(command.group(0))[1].split("The same for")[0]
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    printed = [line.strip() for line in finished.stdout.splitlines()]
    assert len(lines) >= 7
    needs_weights = ("BERTScore", "COMET")  # what is said of these depends on what else is installed
    assert [line for line in lines if line not in printed and not line.startswith(needs_weights)] == []


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
