"""Verifying intervals: today's with their cautions, and those that earlier versions wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.results.store import read_result, write_result
from ehrbench.runs.folder import RunFolder
from ehrbench.scoring.loaded import find_runs, load_run
from ehrbench.scoring.run import score_run
from ehrbench.scoring.verify import verify_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("verify")
    arguments = ["run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", "sample", "--metrics", "rouge_l,bleu"]
    assert CliRunner().invoke(app, [*arguments, "--quiet", "--out", str(out)]).exit_code == 0
    (found,) = find_runs([Path(out)])
    return found


def test_todays_interval_and_its_caution(folder: RunFolder) -> None:
    run = load_run(folder, "sample")
    result = read_result(folder.result)
    rouge = result.metric("rouge_l")
    assert rouge is not None and rouge.interval == "score interval, jackknife over 24 groups"
    assert rouge.caution.startswith("only 24 groups")
    assert verify_run(run) == []
    rouge.caution = ""
    write_result(folder.result, result)
    assert [problem.partition(":")[0] for problem in verify_run(run)] == ["rouge_l.caution"]
    score_run(run, ["rouge_l", "bleu"])


def test_an_earlier_interval_is_verified_by_its_own_estimator(folder: RunFolder) -> None:
    run = load_run(folder, "sample")
    earlier = score_run(run, ["rouge_l", "bleu"], write=False, earlier=["rouge_l"])
    rouge = earlier.metric("rouge_l")
    assert rouge is not None
    # What version 0.1 printed of this run.
    assert (round(rouge.low or 0, 4), round(rouge.high or 0, 4)) == (0.0657, 0.1155)
    assert rouge.interval == "percentile bootstrap, 10000 resamples of 24 groups" and rouge.caution == ""
    write_result(folder.result, earlier)
    assert verify_run(run) == []
    rouge.low = (rouge.low or 0) + 0.001
    write_result(folder.result, earlier)
    assert [problem.partition(":")[0] for problem in verify_run(run)] == ["rouge_l.low"]
