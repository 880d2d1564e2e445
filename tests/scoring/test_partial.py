"""A run on fewer items than the data hold is partial, whether or not the task states the size of its release."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.leaderboard.entries import comparable, make_entries
from ehrbench.results.schema import Result
from ehrbench.results.store import find_results
from ehrbench.results.validate import check_result
from tests.results.factory import make_result
from tests.support.ward import write_ward


def run(folder: Path, *more: str) -> Result:
    arguments = ["run", "--model", "baseline:empty", "--quiet", "--out", str(folder / "out"), *more]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (stored,) = find_results([folder / "out"])[0]
    assert check_result(stored.result) == []
    return stored.result


def ward(folder: Path) -> list[str]:
    tasks, data = write_ward(folder, 5, "a")
    return ["--tasks", "ward", "--data-dir", str(data), "--include-path", str(tasks)]


def test_a_limited_run_of_a_task_without_a_stated_size_is_partial_and_unranked(tmp_path: Path) -> None:
    result = run(tmp_path, *ward(tmp_path), "--limit", "2")
    assert (result.n_items, result.n_available, result.n_expected) == (2, 5, None)
    assert result.partial
    (entry,) = make_entries([result])
    assert comparable(result.metrics[0], entry) is None


def test_a_whole_run_is_not_partial(tmp_path: Path) -> None:
    result = run(tmp_path, *ward(tmp_path), "--limit", "50")
    assert (result.n_items, result.n_available, result.partial) == (5, 5, False)


def test_a_limited_run_of_the_sample_is_partial(tmp_path: Path) -> None:
    result = run(tmp_path, "--tasks", "medalign", "--data-dir", "sample", "--limit", "3")
    assert result.synthetic
    assert result.partial


def test_a_result_from_before_the_key_keeps_its_rule() -> None:
    old = make_result(n_items=12, n_expected=40).model_dump(mode="json")
    del old["n_available"]
    assert Result.model_validate(old).partial
    assert not Result.model_validate({**old, "synthetic": True}).partial
    assert not Result.model_validate({**old, "n_expected": None}).partial
