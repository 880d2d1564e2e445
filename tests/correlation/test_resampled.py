"""Means and standard deviations over resamples: closed forms, whole records drawn, and draws without a value."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import ehrbench
from ehrbench.correlation.resampled import resampled_runs
from ehrbench.errors import UsageError
from ehrbench.stats.bootstrap import resampled
from tests.acceptance.chart import ehrbench as command


def test_the_spread_of_a_share_is_the_binomial_one() -> None:
    values = resampled([[1.0]] * 30 + [[0.0]] * 70, [None] * 100, "mean", resamples=20_000)
    assert values.mean() == pytest.approx(0.3, abs=0.002)
    assert values.std() == pytest.approx(math.sqrt(0.3 * 0.7 / 100), rel=0.02)


def test_what_is_drawn_together_stays_together() -> None:
    twice = np.repeat([[1.0]] * 30 + [[0.0]] * 70, 2, axis=0)
    alone = resampled(twice, [None] * 200, "mean", resamples=5000).std()
    together = resampled(twice, [f"r{i // 2}" for i in range(200)], "mean", resamples=5000).std()
    assert together / alone == pytest.approx(math.sqrt(2), rel=0.05)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("resampled")
    ehrbench.evaluate("baseline:majority", ["mimic_instr.mortality", "mimic_instr.diagnosis"], data_dir="sample", out=out)
    return out


def test_of_a_run_an_admission_is_drawn_with_all_its_labels(runs: Path) -> None:
    diagnosis, mortality = resampled_runs([runs], "brier")
    assert (diagnosis.task, mortality.task) == ("mimic_instr.diagnosis", "mimic_instr.mortality")
    assert diagnosis.units == mortality.units == 10
    assert resampled_runs([runs], "brier", unit="items")[0].units == 250
    for one in (diagnosis, mortality):
        assert one.mean == pytest.approx(one.metric.value, abs=3 * one.sd / math.sqrt(1000) + 1e-12)
    with pytest.raises(UsageError, match="has no item scores of 'rouge_l'"):
        resampled_runs([runs], "rouge_l")


def test_draws_of_one_class_are_counted(runs: Path) -> None:
    finished = command("bootstrap", runs, "--metric", "auroc", "--resamples", "500", "--json")
    assert finished.returncode == 0, finished.stderr
    mortality = next(row for row in json.loads(finished.stdout) if row["task"] == "mimic_instr.mortality")
    # One of ten admissions ends in death, so it is in no draw with probability 0.9^10.
    assert mortality["undefined"] / 500 == pytest.approx(0.9**10, abs=0.07)
    shown = command("bootstrap", runs, "--metric", "auroc").stdout
    assert "mean (SD)" in shown and "draws have no AUROC and are left out" in shown
