"""Runs under several seeds are sent with their mean, and with no word that is not the runs' own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench import evaluate
from ehrbench.cli import app
from ehrbench.leaderboard.build import build
from tests.support.dice import Dice


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    evaluate(Dice(), "meds_bench.mcqa.medqa", data_dir="sample", out=tmp_path / "runs", temperature=0.8, seeds=(0, 1, 2))
    return [str(path.parent) for path in sorted((tmp_path / "runs").rglob("result.json"))]


def site(folder: Path, out: Path) -> list[str]:
    built = build([folder], out)
    assert built.problems == []
    return sorted((out / "data").glob("suites-*.csv"))[0].read_text().splitlines()


def test_the_mean_goes_with_its_runs_and_makes_the_same_row(tmp_path: Path, runs: list[str]) -> None:
    (tmp_path / "sent").mkdir()
    done = CliRunner().invoke(app, ["submit", *runs, "--out", str(tmp_path / "sent")], catch_exceptions=False)
    assert done.output.splitlines()[1] == f"{tmp_path / 'sent/dice.repeats.json'}: their means over seeds. Put it beside."
    assert site(tmp_path / "sent", tmp_path / "theirs") == site(tmp_path / "runs", tmp_path / "ours")


def test_a_mean_whose_runs_are_not_all_named_stays_and_is_named(tmp_path: Path, runs: list[str]) -> None:
    done = CliRunner().invoke(app, ["submit", *runs[:2], "--out", str(tmp_path), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["means"] is None
    assert "the mean over 3 seeds is left out: 2 of its 3 runs are here" in done.stderr
    alone = CliRunner().invoke(app, ["submit", runs[0], "--out", str(tmp_path)], catch_exceptions=False)
    assert "left out" in alone.stderr and list(tmp_path.glob("*.repeats.json")) == []


def test_words_of_a_file_of_means_are_not_sent(tmp_path: Path, runs: list[str]) -> None:
    (means,) = (tmp_path / "runs").rglob("*.repeats.json")
    told = json.loads(means.read_text())
    metric = told["metrics"][0]
    told |= {"track": "Mrs Oduya", "prompt": "Mrs Oduya", "by_seed": told["by_seed"] | {"Mrs Oduya": [1, 1, 1]}}
    metric |= {"label": "Mrs Oduya", "note": "Mrs Oduya"}
    means.write_text(json.dumps(told))
    CliRunner().invoke(app, ["submit", *runs, "--out", str(tmp_path / "all.results.json")], catch_exceptions=False)
    (sent,) = json.loads((tmp_path / "all.repeats.json").read_text())
    assert "Oduya" not in str(sent) and sent["metrics"][0]["value"] == metric["value"]
    site(tmp_path / "runs", tmp_path / "ours")
    assert not [path for path in (tmp_path / "ours").rglob("*.json") if "Oduya" in path.read_text()]
