"""Chosen items in a study: one set of ids, from the file or from a file beside it, in cells that say nothing of an id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench import Study, UsageError
from ehrbench.cli import app
from ehrbench.readers.data_dir import open_dataset
from ehrbench.results.schema import Result
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import rows, write_release

HEAD = "study: small\ndata_dir: sample\nreport: {leaderboard: false}\nmodels: {bm25: baseline:bm25}\n"
IDS, OTHERS = (
    [item.id for item in open_dataset(load_catalog().get(task), "sample").items] for task in ("medalign", "mimic_instr.schema")
)


def study(folder: Path, text: str, head: str = HEAD) -> Study:
    path = folder / "study.yaml"
    path.write_text(head + text, encoding="utf-8")
    return Study.load(path)


def answered(made: Study) -> list[list[str]]:
    return [[row["item"] for row in rows(one.folder / "private" / "predictions.jsonl")] for one in made.status() if one.folder]


def test_ids_and_a_file_of_ids_make_the_run_that_the_command_line_makes(tmp_path: Path) -> None:
    chosen = [IDS[5], IDS[1]]
    (tmp_path / "ids.txt").write_text("\n".join(chosen))
    questions = "questions: {one: {tasks: medalign, metrics: rouge_l}}\n"
    folders = set()
    for samples in (json.dumps(chosen), f'"{",".join(chosen)}"', "ids.txt"):
        made = study(tmp_path, f"settings: {{samples: {samples}}}\n{questions}")
        assert len(made.cells) == 1, "a list is one set and no grid"
        assert [one.state for one in made.run()] == ["done"]
        folders |= {one.folder for one in made.status()}
    assert len(folders) == 1 and answered(made) == [[IDS[1], IDS[5]]]
    done = CliRunner().invoke(
        app,
        [*("run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", "sample", "--quiet", "--metrics", "rouge_l")]
        + ["--samples", str(tmp_path / "ids.txt"), "--out", str(tmp_path / "single")],
    )
    assert done.exit_code == 0, done.output
    (single,) = (tmp_path / "single").rglob("result.json")
    (folder,) = folders
    results = [Result.model_validate_json(path.read_bytes()) for path in (single, folder / "result.json")]
    assert results[0].config_hash == results[1].config_hash and results[0].metrics == results[1].metrics and results[0].partial


def test_no_id_stands_in_what_a_study_shows_or_keeps_in_the_open(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=3)
    made = study(
        tmp_path,
        "questions:\n  one:\n    tasks: medalign\n    metrics: rouge_l\n"
        + "    grid: [{samples: ['9000000000', '9000000101']}, {samples: '9000000001'}]\n",
        HEAD.replace("sample", str(data)),
    )
    assert [one.state for one in made.run()] == ["done", "done"]
    report = made.report()
    said = [row[1] for row in report.tables[0].rows]
    assert said[0].startswith("2 items (") and said[1].startswith("1 item (") and report.tables[0].header[1] == "samples"
    dry = CliRunner().invoke(app, ["study", "run", str(made.path), "--dry-run"])
    assert "2 items" in dry.stdout
    public = [path for path in made.out.rglob("*") if path.is_file() and "private" not in path.parts]
    assert len(public) > 8
    for path in public:
        assert not any(one in path.read_bytes() for one in (b"9000000000", b"9000000101", b"9000000001")), path
    assert "9000000" not in dry.stdout


def test_a_file_that_changes_makes_other_cells(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text(f"item\n{IDS[0]}\n")
    text = "questions: {one: {tasks: medalign, metrics: rouge_l, settings: {samples: ids.csv}}}\n"
    assert [one.state for one in study(tmp_path, text).run()] == ["done"]
    (tmp_path / "ids.csv").write_text(f"item\n{IDS[0]}\n{IDS[3]}\n")
    again = study(tmp_path, text)
    assert [one.state for one in again.status()] == ["open"]
    again.run()
    assert answered(again) == [[IDS[0], IDS[3]]]


def test_ids_may_be_of_several_tasks_and_nearer_settings_win(tmp_path: Path) -> None:
    both = json.dumps([IDS[0], f"mimic_instr.schema/{OTHERS[0]}", OTHERS[1]])
    made = study(
        tmp_path,
        f"settings: {{samples: {both}, limit: 2}}\nquestions:\n  two: {{tasks: [medalign, mimic_instr.schema]}}\n"
        "  all: {tasks: medalign, settings: {samples: null}}\n",
    )
    assert [one.state for one in made.run()] == ["done"] * 3
    assert answered(made) == [[IDS[0]], [OTHERS[0], OTHERS[1]], IDS[:2]]


def test_what_no_task_has_is_refused_in_its_cell(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        f"questions:\n  one: {{tasks: medalign, settings: {{samples: ['{IDS[0]}', nobody]}}}}\n"
        f"  two: {{tasks: [medalign, mimic_instr.schema], settings: {{samples: '{IDS[2]}'}}}}\n",
    )
    states = {(one.task, one.settings["samples"][:1]): one for one in made.run()}
    assert [one.state for one in states.values()] == ["failed", "done", "failed"]
    assert "has no item 'nobody'" in states["medalign", "2"].said
    assert "has none of the items of 'samples'; leave it out of the question" in states["mimic_instr.schema", "1"].said


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            "idz.txt",
            r"study.yaml:6: samples: there is no file .*idz.txt; expected ids, or a file of ids from the study file's folder",
        ),
        ("empty.txt", r"study.yaml:6: --samples '.*empty.txt' names no item"),
        ("bad.json", r"study.yaml:6: .*bad.json"),
        ("[a, null]", r"study.yaml:\d: .*null means all items, so it stands alone"),
        ("{a: 1}", r"study.yaml:\d: .*samples"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path: Path, samples: str, message: str) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageError, match=message):
        study(tmp_path, f"settings:\n  samples: {samples}\nquestions: {{one: {{tasks: medalign}}}}\n")
    assert not (tmp_path / "small").exists()
