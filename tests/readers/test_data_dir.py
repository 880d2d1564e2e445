from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli.data import app
from ehrbench.errors import MissingError
from ehrbench.readers.data_dir import is_sample, locate
from ehrbench.readers.data_status import data_status
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.samples import ensure_sample
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import DataSpec
from tests.suites.medalign.release import gold, write_release

MEDALIGN = DataSpec(reader="medalign", path="medalign", policy="credentialed", source="Redivis, https://example.org")
MINE = DataSpec(reader="jsonl", path="mine", policy="open", options={"file": "q.jsonl"})


def test_below_the_data_folder_or_the_folder_itself(tmp_path: Path) -> None:
    release = write_release(tmp_path / "medalign" / "files" / "medalign_instructions_v1_3", [gold("1")])
    assert locate(MEDALIGN, str(tmp_path)) == tmp_path / "medalign"
    for folder in (tmp_path / "medalign", tmp_path / "medalign" / "files", release):
        assert locate(MEDALIGN, str(folder)) == folder
    (tmp_path / "q.jsonl").write_text("{}")
    assert locate(MINE, str(tmp_path)) == tmp_path
    (tmp_path / "mine").mkdir()
    assert locate(MINE, str(tmp_path)) == tmp_path / "mine"


def test_environment_and_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EHRBENCH_DATA", raising=False)
    with pytest.raises(
        MissingError, match=r"the data folder data \(the default; .* is not there; get them \(Redivis.*into data.medalign"
    ):
        locate(MEDALIGN, None)
    write_release(tmp_path / "data" / "medalign", [gold("1")])
    assert locate(MEDALIGN, None) == Path("data/medalign")
    monkeypatch.setenv("EHRBENCH_DATA", "sample")
    assert is_sample(None) and locate(MEDALIGN, None) == ensure_sample("medalign")
    assert not is_sample("data") and not is_sample(str(ensure_sample("medalign")))


def test_missing_data_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        MissingError, match=r"reader 'medalign' are not in .*; get them \(Redivis.*--data-dir sample runs the synthetic"
    ):
        locate(MEDALIGN, str(tmp_path))
    with pytest.raises(MissingError, match="put them into") as caught:
        locate(MINE, str(tmp_path))
    assert "sample" not in str(caught.value).removeprefix(str(tmp_path))
    with pytest.raises(MissingError, match="no synthetic sample of 'mine'"):
        locate(MINE, "sample")


def test_status_and_sample_commands(tmp_path: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(app, ["status", "medalign", "--data-dir", str(tmp_path)])
    assert result.exit_code == 3 and "missing" in result.output and "redivis" in result.output
    written = runner.invoke(app, ["sample", str(tmp_path), "--suite", "medalign"])
    assert written.exit_code == 0 and written.output.strip() == str(tmp_path / "medalign")
    result = runner.invoke(app, ["status", "medalign", "--data-dir", str(tmp_path), "--read", "--json"])
    assert result.exit_code == 0
    (state,) = json.loads(result.output)
    assert (state["task"], state["state"], state["policy"], state["n_expected"]) == ("medalign", "here", "credentialed", 303)
    assert state["n_items"] > 38 and state["folder"] == str(tmp_path / "medalign")
    next(tmp_path.rglob("clinician-instruction-responses.tsv")).write_text("instruction_id\n")
    result = runner.invoke(app, ["status", "medalign", "--data-dir", str(tmp_path), "--read"])
    assert result.exit_code == 2 and "unreadable" in result.output


def test_a_task_without_items_is_not_here(tmp_path: Path) -> None:
    runner = CliRunner()
    built = {"format": "ehrbench ehr_bench", "counts": {"written": {"admissions": 1, "radiology": 0}}}
    (tmp_path / "ehr_bench").mkdir()
    (tmp_path / "ehr_bench" / "manifest.json").write_text(json.dumps(built))
    (tmp_path / "ehr_bench" / "ehr_bench_decision_making.jsonl").write_text("{}\n")
    prepared = tmp_path / "mimic_instr"
    (prepared / "records").mkdir(parents=True)
    (prepared / "cohort.csv").write_text("")
    (prepared / "qa_test_subset.jsonl").write_text("{}\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "q.jsonl").write_text("")
    (tmp_path / "tasks").mkdir()
    mine = "task: mine\nversion: 1\ndata: {reader: jsonl, path: mine, policy: open, options: {file: q.jsonl}}\n"
    (tmp_path / "tasks" / "mine.yaml").write_text(
        mine + "prompt: {user: '{{ question }}'}\nmetrics: [exact_match]\nprimary: exact_match\n"
    )
    asked = "ehr_bench.decision.admissions,ehr_bench.decision.radiology,ehr_bench.decision.pyxis,mimic_instr.*,mine"
    where = ["--data-dir", str(tmp_path), "--include-path", str(tmp_path / "tasks")]
    result = runner.invoke(app, ["status", asked, *where, "--json"])
    assert result.exit_code == 3
    states = {state["task"]: state for state in json.loads(result.output)}
    assert {task for task, state in states.items() if state["state"] == "here"} == {
        "ehr_bench.decision.admissions",
        "mimic_instr.schema",
    }
    assert "built without a row of task 'radiology'" in states["ehr_bench.decision.radiology"]["problem"]
    assert "no questions from notes" in states["mimic_instr.reasoning"]["problem"]
    assert "q.jsonl is empty" in states["mine"]["problem"]
    assert "--read opens them" in runner.invoke(app, ["status", "mimic_instr.schema", *where]).output


def test_read_finds_a_task_without_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehrbench.readers.data_status.open_dataset", lambda task, data_dir: Dataset("none", [], files={}))
    (state,) = data_status(load_catalog().select("medalign"), "sample", read=True)
    assert (state.state, state.n_items) == ("missing", None) and "no item" in str(state.problem)
