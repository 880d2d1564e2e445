"""``ehrbench run`` with several models and with a file: each run is the one that a command of its own would make."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench import evaluation
from ehrbench.cli import app
from ehrbench.cli.run import Run
from ehrbench.cli.run_file import json_schema, run_schema
from ehrbench.errors import MissingDataError, PolicyError, UsageError, worst_exit_code
from ehrbench.models.loading import load_model
from tests.acceptance.chart import ehrbench as command
from tests.acceptance.chart import rows, run_folders, without_clock

BOTH = ("--model", "baseline:bm25", "--model", "baseline:newest")
SMALL = ("--tasks", "medalign,mimic_instr.schema", "--data-dir", "sample", "--limit", "2", "--quiet")


def run(out: Path, *more: str) -> Any:
    return CliRunner().invoke(app, ["run", *more, "--out", str(out)])


def test_each_model_keeps_the_runs_that_a_command_of_its_own_makes(tmp_path: Path) -> None:
    done = run(tmp_path / "both", *BOTH, *SMALL)
    assert done.exit_code == 0, done.output
    for model in ("baseline:bm25", "baseline:newest"):
        assert run(tmp_path / "single", "--model", model, *SMALL).exit_code == 0
    single, both = (run_folders(tmp_path / name) for name in ("single", "both"))
    assert [path.relative_to(tmp_path / "single") for path in single] == [path.relative_to(tmp_path / "both") for path in both]
    for one, other in zip(single, both, strict=True):
        found = [rows(folder / "private" / "predictions.jsonl") for folder in (one, other)]
        assert without_clock(found[0]) == without_clock(found[1])
        results = [json.loads((folder / "result.json").read_text())["metrics"] for folder in (one, other)]
        assert results[0] == results[1]


def test_one_table_and_one_line_close_the_report(tmp_path: Path) -> None:
    *_, header, rule, a, b, c, d, blank, usage = run(tmp_path, *BOTH, *SMALL).stdout.splitlines()
    assert header.split()[:2] == ["model", "task"] and set(rule) <= {"-", " "} and not blank
    assert [line.split()[:2] for line in (a, b, c, d)] == [
        ["bm25", "medalign"],
        ["bm25", "mimic_instr.schema"],
        ["newest", "medalign"],
        ["newest", "mimic_instr.schema"],
    ]
    assert usage.startswith("8 calls, ") and " answer tokens, this command took " in usage


def test_each_model_is_loaded_once_for_all_its_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(spec: str, *rest: Any) -> Any:
        loaded.append(spec)
        return load_model(spec, *rest)

    monkeypatch.setattr(evaluation, "load_model", load)
    assert run(tmp_path, *BOTH, *SMALL).exit_code == 0
    assert loaded == ["baseline:bm25", "baseline:newest"]


@pytest.mark.parametrize(("error", "code"), [(UsageError, 2), (PolicyError, 4), (RuntimeError, 1), (PermissionError, 2)])
def test_a_model_that_fails_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], code: int
) -> None:
    def load(spec: str, *rest: Any) -> Any:
        if spec == "baseline:bm25":
            raise error("the patient said")
        return load_model(spec, *rest)

    monkeypatch.setattr(evaluation, "load_model", load)
    done = run(tmp_path, *BOTH, *SMALL)
    assert done.exit_code == code
    assert {path.parent.parent.name for path in run_folders(tmp_path)} == {"newest"}
    assert "baseline:bm25: " in done.stderr and "the other models go on" in done.stderr
    assert ("the patient said" in done.stderr) == (error in (UsageError, PolicyError)), "a bug's message may quote a record"
    assert "baseline:bm25" in done.stdout and "failed" in done.stdout
    *_, stopped = json.loads(run(tmp_path, *BOTH, *SMALL, "--json").stdout)
    assert (stopped["failed"], stopped["exit_code"]) == ("baseline:bm25", code)


def test_missing_data_stop_all_models_at_once(tmp_path: Path) -> None:
    done = run(tmp_path, *BOTH, "--tasks", "medalign", "--data-dir", str(tmp_path / "none"))
    assert isinstance(done.exception, MissingDataError)


def test_the_worst_ending_is_that_of_all() -> None:
    assert worst_exit_code([]) == 0 and worst_exit_code([0, 5]) == 5
    assert worst_exit_code([5, 2]) == 2 and worst_exit_code([2, 4, 3]) == 4 and worst_exit_code([4, 1]) == 1


def test_a_model_given_twice_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--model", "baseline:bm25", "--model", "baseline:bm25", *SMALL)
    assert str(done.exception) == "--model baseline:bm25 is given twice; give each model once"


def test_a_dry_run_names_each_model_and_sums_all(tmp_path: Path) -> None:
    lines = run(tmp_path, *BOTH, *SMALL, "--dry-run").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["baseline"] * 4 + ["all 4 runs"]
    assert "all 4 runs: 8 items, 8 calls" in lines[-1]
    found = json.loads(run(tmp_path, *BOTH, *SMALL, "--dry-run", "--json").stdout)
    assert [one["model"] for one in found] == ["baseline:bm25"] * 2 + ["baseline:newest"] * 2
    assert not run_folders(tmp_path)


FILE = """\
model: [baseline:bm25, baseline:newest]
tasks: [medalign, mimic_instr.schema]
data_dir: sample
limit: 2
quiet: true
metrics: rouge_l
stop: []
"""


def test_a_file_says_what_the_command_line_would(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(FILE)
    assert run(tmp_path / "file", "--config", str(tmp_path / "run.yaml")).exit_code == 0
    assert run(tmp_path / "line", *BOTH, *SMALL, "--metrics", "rouge_l", "--stop", "").exit_code == 0
    found = [[path.relative_to(tmp_path / name) for path in run_folders(tmp_path / name)] for name in ("file", "line")]
    assert found[0] == found[1] and len(found[0]) == 4


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(FILE)
    done = run(
        tmp_path, "--config", str(tmp_path / "run.yaml"), "--model", "baseline:empty", "--limit", "1", "--tasks", "medalign"
    )
    assert done.exit_code == 0, done.output
    (folder,) = run_folders(tmp_path)
    config = json.loads((folder / "manifest.json").read_text())["config"]
    assert (config["limit"], config["model"]["name"], config["task"]) == (1, "empty", "medalign")


def test_arguments_stand_in_the_file_as_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(FILE + "model_arg: {no_such: true}\n")
    done = run(tmp_path, "--config", str(tmp_path / "run.yaml"))
    assert done.exit_code == 2 and "no_such" in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "run.yaml:1: expected options of `ehrbench run` as keys"),
        ("model: a\ntask: b\n", "run.yaml:2: unknown key 'task' (did you mean 'tasks'?)"),
        ("model: a\nas_json: true\n", "run.yaml:2: unknown key 'as_json' (did you mean 'json' or 'tasks'?)"),
        ("limit: 0\n", "run.yaml:1: expected a number of at least 1 for 'limit', found the number 0"),
        ("model: a\nseed: x\n", "run.yaml:2: expected a whole number for 'seed', found 'x'"),
        ("context: squeeze\n", "run.yaml:1: expected 'truncate', 'refine', 'retrieve' or 'full' for 'context'"),
        ("model_arg: [a=b]\n", "run.yaml:1: expected a mapping for 'model_arg', found a list"),
        ("model: a\nmodel: b\n", "run.yaml:2: key 'model' is given twice, first in line 1"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line_and_nothing_is_run(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    done = run(tmp_path / "out", "--config", str(tmp_path / "run.yaml"))
    assert expected in str(done.exception) and not (tmp_path / "out").exists()


def test_what_neither_says_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("tasks: medalign\n")
    done = run(tmp_path, "--config", str(tmp_path / "run.yaml"))
    assert done.exit_code == 2 and "Missing option '--model'" in done.output


def test_the_file_has_a_key_for_each_option_and_a_schema() -> None:
    keys = {field.alias or name for name, field in run_schema().model_fields.items()}
    options = {{"as_json": "json"}.get(field.name, field.name) for field in fields(Run)}
    assert keys == options - {"config"}
    schema = json_schema()
    assert set(schema["properties"]) == keys and not schema["additionalProperties"]
    assert all(one["description"] for one in schema["properties"].values())
    assert json.loads(command("study", "schema", "--run").stdout) == schema


def test_the_help_groups_its_options() -> None:
    text = CliRunner().invoke(app, ["run", "--help"]).stdout
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    said = ("Models and tasks", "Prompts and records", "Answers", "Items", "Output", "Scores", "Where the model runs", "Options")
    assert sorted(headings) == sorted(f"{name}:" for name in said)
    *_, others = text.partition("\nOptions:\n")
    assert len(others.split("\n\n")[0].splitlines()) == 1, "every option but --help has its group"
