"""Every command of docs/papers.md runs on the samples, and every row that has none says so. A run takes three items per task."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ehrbench.cli import main
from tests.conftest import ROOT
from tests.curation.ward import write_ward
from tests.support.server import Server

PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| (`ehrbench [^`|]+`|–) \|([^|\n]*)\|$", PAGE, re.MULTILINE)
COMMANDS = list(dict.fromkeys(command.strip("`") for _, command, _ in ROWS if command != "–"))


def test_each_row_has_one_command_or_says_that_it_has_none() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and "| Command |" not in line]
    assert len(lines) == len(ROWS) > 30
    assert all("ommand" in note or "picture" in note or "checkpoints" in note for _, command, note in ROWS if command == "–")


def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    table, _ = write_ward(tmp_path)
    demo = ROOT.parent / "shared" / "data" / "mimic-iv-demo"
    places = {"MODEL": "baseline:majority", "DATA": "sample", "OUT": "out", "INSTRUCTIONS": str(table), "MIMIC": str(demo)}
    places |= {"REFERENCE": "baseline:newest", "JUDGE": "openai:judge"}
    Path("out").mkdir()
    judge = Server(answer=lambda body: "8 7\nBoth name it.")
    monkeypatch.setenv("OPENAI_BASE_URL", judge.url)
    with judge:
        failed = _failed(places, monkeypatch, capsys)
    assert failed == {}
    assert judge.stats()["calls"] > 0


def _failed(places: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    failed: dict[str, object] = {}
    for command in COMMANDS:
        if "MIMIC" in command and not Path(places["MIMIC"]).is_dir():
            continue
        words = [re.sub(r"\b[A-Z]{3,}\b", lambda found: places[found[0]], word) for word in shlex.split(command)]
        monkeypatch.setattr("sys.argv", [*words, "--limit", "3"] if words[1] == "run" else words)
        with pytest.raises(SystemExit) as ended:
            main()
        if ended.value.code:
            failed[command] = (ended.value.code, capsys.readouterr().err[-600:])
    return failed
