"""What a run would take is printed, with a total over tasks, and showing a prompt never starts a run."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.readers.data_dir import open_dataset
from ehrbench.tasks.catalog import load_catalog


def run(out: Path, *more: str) -> str:
    arguments = ["run", "--model", "baseline:empty", "--data-dir", "sample", "--out", str(out), *more]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert not list(out.rglob("manifest.json"))
    return done.stdout


def test_several_tasks_have_a_total(tmp_path: Path) -> None:
    lines = run(tmp_path, "--tasks", "mimic_instr.schema,medalign", "--dry-run", "--limit", "2").splitlines()
    assert len(lines) == 3
    assert all("cost unknown: no price is given" in line for line in lines[:2])
    assert lines[2].startswith("all 2 tasks: 4 items, ")


def test_showing_a_prompt_does_not_start_the_run(tmp_path: Path) -> None:
    item = open_dataset(load_catalog().get("medalign"), "sample").items[0]
    assert item.question in run(tmp_path, "--tasks", "medalign", "--show-prompt", item.id)
