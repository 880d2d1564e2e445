"""The demonstration: from nothing to a leaderboard with the clinicians' page, in under a minute of processor time."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from ehrbench.results.supplements import find_supplements
from tests.acceptance.chart import ehrbench


def test_the_demonstration_sets_metrics_beside_clinicians(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = ehrbench("demo", "--out", tmp_path / "demo", "--quiet", home=tmp_path / "home")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert finished.returncode == 0, finished.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
    assert "between raters" in finished.stdout
    assert finished.stdout.rstrip().endswith(f"ehrbench view {tmp_path / 'demo'}/results")
    rated = ehrbench("human-stats", "--ratings", tmp_path / "demo/study/private/ratings.csv", "--json", home=tmp_path / "home")
    assert json.loads(rated.stdout)["n_items"] == 12
    found, problems = find_supplements([tmp_path / "demo" / "results"])
    assert problems == []
    (correlation,), (human,) = found.correlations, found.humans
    assert correlation.synthetic and human.synthetic
    assert len(human.head_to_head) == 1 + len(correlation.metrics)
    page = (tmp_path / "demo" / "site" / "agreement.html").read_text(encoding="utf-8")
    assert "MedAlign, synthetic sample" in page
    for metric in correlation.metrics:
        assert metric.label in page
