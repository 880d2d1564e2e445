"""``verify --include-path``: a run's task beside what its file says now."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import UsageError
from ehrbench.scoring.loaded import find_runs

TASK = """
task: mine
version: 1
title: First
data: {reader: jsonl, path: mine, policy: open, options: {file: q.jsonl}}
prompt: {user: "{{ question }}"}
variants: {short: {user: "{{ question }} Be short."}}
metrics: [exact_match]
primary: exact_match
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "q.jsonl").write_text('{"id": "1", "question": "Where?", "answer": "here"}\n')
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK)
    chosen = ["--prompt", "short", "--max-tokens", 7, "--num-fewshot", 0, "--metrics", "token_f1"]
    given = [
        "--tasks",
        "mine",
        "--include-path",
        tmp_path / "tasks",
        "--data-dir",
        tmp_path,
        "--out",
        tmp_path / "out",
        "--quiet",
    ]
    assert call("run", "--model", "baseline:majority", *given, *chosen, "--quiet").exit_code == 0
    (found,) = find_runs([tmp_path / "out"])
    return found.path


def test_choices_of_the_command_line_and_words_are_no_difference(run: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK.replace("First", "Second"))
    checked = call("verify", run, "--include-path", tmp_path / "tasks")
    assert checked.exit_code == 0 and "verified" in checked.output


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("metrics: [exact_match]", "metrics: [exact_match, rouge_l]", "'metrics'"),
        ("Be short.", "Be quick.", "'prompt'"),
        ("version: 1", "version: 2", "'version' of task 'mine' is not what its file says now (version 2, the run's 1)"),
        ("primary:", "answer: [strip]\nprimary:", "'answer'"),
    ],
)
def test_a_task_file_that_has_changed_is_named(old: str, new: str, named: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK.replace(old, new))
    assert call("verify", run).exit_code == 0  # the run holds its task
    checked = call("verify", run, "--include-path", tmp_path / "tasks")
    assert checked.exit_code == 1 and named in checked.output


def test_a_folder_without_the_task_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK.replace("task: mine", "task: yours"))
    refused = call("verify", run, "--include-path", tmp_path / "tasks")
    assert isinstance(refused.exception, UsageError) and "mine" in str(refused.exception)
