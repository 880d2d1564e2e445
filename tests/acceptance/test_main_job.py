"""The main job by a short way: what `run` opens, and how often."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ehrbench import hashing
from tests.acceptance.chart import environment, rows, run_folders, write_release

WATCHED = """
import json, os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(os.fspath(args[0])) if event == "open" and isinstance(args[0], str) else None)
from ehrbench.cli import main
try:
    main()
finally:
    with open(os.environ["OPENED"], "w") as file:
        json.dump(opened, file)
"""


def opens(folder: Path, *arguments: object) -> Counter[str]:
    """Which files a command opens, with how often."""
    listed = folder / "opened.json"
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, arguments)],
        env={**environment(folder / "home"), "OPENED": str(listed)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return Counter(json.loads(listed.read_text()))


def test_each_data_file_is_read_once_and_hashed_once(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=3)
    time.sleep(hashing.STILL_SECONDS)  # younger files are hashed anew each time
    job = ("run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", data, "--metrics", "exact_match", "--quiet")
    found = opens(tmp_path, *job, "--out", tmp_path / "out")
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {path.name: found[str(path)] for path in files} == {path.name: 2 for path in files}


def test_predictions_of_runs_beside_are_read_only_where_they_may_serve(tmp_path: Path) -> None:
    data, out = write_release(tmp_path / "data", patients=2, questions=2, entries=3), tmp_path / "out"
    job = ("run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", data, "--metrics", "exact_match", "--quiet")
    job = (*job, "--out", out)
    opens(tmp_path, *job, "--limit", 2)
    (begun,) = run_folders(out)
    other = opens(tmp_path, *job, "--seed", 5)
    assert not [path for path in other if path.startswith(str(begun / "private"))]
    whole = opens(tmp_path, *job)
    assert whole[str(begun / "private" / "predictions.jsonl")] == 1
    assert sorted(len(rows(run / "private" / "predictions.jsonl")) for run in run_folders(out)) == [2, 4, 4]


def test_a_file_that_stays_the_same_is_hashed_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    plain = hashing._hash_bytes
    monkeypatch.setattr(hashing, "_hash_bytes", lambda path: (read.append(path), plain(path))[1])
    path = tmp_path / "items.jsonl"
    path.write_text("one")
    first = hashing.hash_file(path)
    path.write_text("two")
    assert hashing.hash_file(path) != first  # within a tick of the clock, so nothing is remembered
    monkeypatch.setattr(hashing, "STILL_SECONDS", -1.0)
    read.clear()
    second = hashing.hash_file(path)
    assert hashing.hash_file(path) == second == hashing.hash_file(tmp_path / "." / "items.jsonl")
    assert len(read) == 1
    path.write_text("three")
    os.utime(path, (1, 1))
    assert hashing.hash_file(path) not in (first, second)
