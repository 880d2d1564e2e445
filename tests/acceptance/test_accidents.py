"""Everyday accidents end in one sentence and exit code 2 or 3, never in "this is a bug"."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.acceptance.chart import ehrbench, run_folders, write_release
from tests.results.factory import make_result

RUN = ("run", "--tasks", "medalign", "--model", "baseline:bm25", "--metrics", "rouge_l", "--quiet")


def _said(tmp_path: Path, *arguments: object, home: Path | None = None) -> str:
    finished = ehrbench(*arguments, home=home or tmp_path / "home")
    assert finished.returncode in (2, 3), finished.stderr
    assert "bug" not in finished.stderr
    assert "Traceback" not in finished.stderr
    assert "zebrafinch" not in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr
    return finished.stderr


def test_output_that_is_a_file_and_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    (tmp_path / "file").write_text("")
    assert "--out" in _said(tmp_path, *RUN, "--data-dir", data, "--out", tmp_path / "file")
    assert "EHRBENCH_HOME" in _said(tmp_path, "approve", home=tmp_path / "file" / "home")


def test_a_data_folder_whose_name_is_not_utf8_runs_or_is_named(tmp_path: Path) -> None:
    write_release(tmp_path / "data", entries=3)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff"))
    (tmp_path / "data").rename(odd)
    finished = ehrbench(*RUN, "--data-dir", odd, "--out", tmp_path / "out", home=tmp_path / "home")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("line", ["5", "{}", "[]", '{"item": "a", "steps": 3}'])
def test_a_line_that_is_no_prediction_is_named(tmp_path: Path, line: str) -> None:
    data = write_release(tmp_path / "data", entries=3)
    arguments = (*RUN, "--data-dir", data, "--out", tmp_path / "out")
    assert ehrbench(*arguments, home=tmp_path / "home").returncode == 0
    (folder,) = run_folders(tmp_path / "out")
    path = folder / "private/predictions.jsonl"
    path.write_text(line + "\n" + path.read_text())
    assert "predictions.jsonl:1" in _said(tmp_path, *arguments)


def test_half_a_character_in_a_caveat_costs_that_file_and_not_the_site(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    text = make_result(caveats=["here"]).model_dump_json()
    (results / "odd.results.json").write_text(f"[{text}]".replace("here", "\\ud800"))
    finished = ehrbench("leaderboard", "build", results, "--out", tmp_path / "site", home=tmp_path / "home")
    assert finished.returncode == 0, finished.stderr
    assert "half of a surrogate pair" in finished.stderr


def test_a_damaged_record_is_named_and_no_server_is(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=3)
    (data / "medalign" / "ehrs" / "700000001.xml").write_text("<eventstream>")
    finished = ehrbench(*RUN, "--data-dir", data, "--out", tmp_path / "out", home=tmp_path / "home")
    assert finished.returncode == 5
    assert "700000001.xml:1: the record is not well-formed XML" in finished.stderr
    assert "fix what is named above" in finished.stderr
    shards = [tmp_path / str(i) for i in (1, 2)]
    for i, out in enumerate(shards, 1):
        ehrbench(*RUN, "--data-dir", data, "--out", out, "--shard", f"{i}/2", home=tmp_path / "home")
    merged = ehrbench("merge", *(folder for out in shards for folder in run_folders(out)), home=tmp_path / "home")
    assert merged.returncode == 5
    assert "2 items ended without an answer" in merged.stderr
    assert "server" not in finished.stderr + merged.stderr


def test_half_a_surrogate_pair_in_an_answer_is_shown(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=1, entries=3)
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "9000000000", "answer": "half \\ud83d of one"}\n')
    arguments = ("--tasks", "medalign", "--model", f"replay:{answers}", "--metrics", "rouge_l", "--data-dir", data)
    assert ehrbench("run", *arguments, "--out", tmp_path / "out", home=tmp_path / "home").returncode == 0
    (folder,) = run_folders(tmp_path / "out")
    shown = ehrbench("inspect", folder, home=tmp_path / "home")
    assert shown.returncode == 0, shown.stderr
    assert "half \\ud83d of one" in shown.stdout
    as_json = ehrbench("inspect", folder, "--json", home=tmp_path / "home")
    assert json.loads(as_json.stdout)[0]["answer"] == "half \ud83d of one"
