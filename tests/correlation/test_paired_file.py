"""What ``compare`` leaves for the leaderboard, and that the leaderboard ranks by it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ehrbench.leaderboard.build import build
from ehrbench.results.supplements import find_supplements
from tests.correlation.test_commands import ehrbench

ARGUMENTS = ("--tasks", "medalign", "--data-dir", "sample", "--metrics", "rouge_l,chrf_pp", "--quiet")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paired") / "results"
    for name in ("bm25", "newest"):
        ehrbench("run", "--model", f"baseline:{name}", "--out", out, *ARGUMENTS)
    return out


def ranks(results: Path, site: Path) -> dict[str, tuple[str, str]]:
    build([results], site)
    (path,) = (site / "data").glob("suites-medalign--synthetic_clean*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "chrf_pp"]
    return {row["model"]: (row["rank_best"], row["rank_worst"]) for row in rows}


def test_the_leaderboard_ranks_by_what_compare_found(results: Path, tmp_path: Path) -> None:
    ehrbench("compare", results / "bm25", results / "newest", "--out", results / "compared", "--resamples", 500)
    found, problems = find_supplements([results])
    assert problems == []
    (test,) = found.comparisons
    stored = {path.parent.name: json.loads(path.read_text()) for path in results.rglob("result.json")}
    assert {test.a[:16], test.b[:16]} == set(stored)
    assert (test.metric, test.difference.n) == ("chrf_pp", 44)
    assert test.difference.low is not None
    apart = test.difference.low > 0
    expected = {"bm25": ("1", "1"), "newest": ("2", "2")} if apart else {"bm25": ("1", "2"), "newest": ("1", "2")}
    assert ranks(results, tmp_path / "site") == expected
    # Turned round by hand: now newest is the better of the two, and the intervals have no say.
    path = results / "compared/paired.json"
    turned = json.loads(path.read_text())
    turned[0]["difference"] |= {"value": -0.02, "low": -0.03, "high": -0.01}
    path.write_text(json.dumps(turned))
    assert ranks(results, tmp_path / "site") == {"bm25": ("2", "2"), "newest": ("1", "1")}
