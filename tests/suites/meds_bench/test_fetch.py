"""Fetching MedS-Bench from a hub on the loopback interface, and what ``data status`` says before and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ehrbench.readers.samples import write_sample
from tests.support.hub import COMMIT, Hub

SPLIT = "Henrychur/MedS-Bench-SPLIT"
ROOT = Path(__file__).resolve().parents[3]


def ehrbench(home: Path, *arguments: object, endpoint: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
    """In a process of its own: the hub's client reads its settings when it is imported."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and key != "TRANSFORMERS_OFFLINE"}
    environment |= {"EHRBENCH_HOME": str(home), "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_TOKEN": "secret-token"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "ehrbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The sample as if it were on the hub, the withdrawn folders among it."""
    root = write_sample("meds_bench", tmp_path / "upstream")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("task*")}


def states(home: Path, data: Path) -> dict[str, str]:
    shown = ehrbench(home, "data", "status", "meds_bench", "--data-dir", data, "--json")
    return {row["task"]: row["state"] for row in json.loads(shown.stdout)}


def test_open_files_are_placed_and_nothing_else_is_asked_for(tmp_path: Path, files: dict[str, bytes]) -> None:
    data = tmp_path / "data"
    (data / "meds_bench").mkdir(parents=True)
    assert set(states(tmp_path, data).values()) == {"missing"}
    renamed = next(name for name in files if name.startswith("NER/task128"))
    files["NER/task128_renamed.json"] = files.pop(renamed)
    with Hub({SPLIT: files}) as hub:
        done = ehrbench(tmp_path, "data", "fetch", "meds_bench", "--data-dir", data, endpoint=hub.url)
        assert done.returncode == 0, done.stderr
        assert "31 files placed" in done.stdout
        assert "22 of 53 tasks are not public" in done.stdout
        asked = {line.rpartition("/resolve/")[2] for line in hub.asked if "/resolve/" in line}
        for folder in ("Text_summarization", "NLI", "Clinical_outcome_prediction", "Treatment_planning"):
            assert not any(f"/{folder}/" in line for line in asked)
        assert hub.authorizations == {None}
        calls = len(hub.asked)
        again = ehrbench(tmp_path, "data", "fetch", "meds_bench", "--data-dir", data, endpoint=hub.url)
        assert "0 files placed" in again.stdout
        assert len(hub.asked) - calls <= 2
    folder = data / "meds_bench" / "MedS-Bench-SPLIT"
    assert (folder / "NER" / "task128_renamed.json").is_file()
    source = json.loads((folder / "SOURCE.json").read_text())["files"]
    assert len(source) == 31
    assert {entry["commit"] for entry in source.values()} == {COMMIT}
    assert not list(folder.glob(".fetch-*"))
    here = states(tmp_path, data)
    assert sum(state == "here" for state in here.values()) == 31
    assert here["meds_bench.treatment_planning.seer"] == "missing"
    shown = ehrbench(tmp_path, "data", "status", "meds_bench", "--data-dir", data).stdout
    line = next(line for line in shown.splitlines() if line.startswith("meds_bench.nli.mednli_generative"))
    assert "ehrbench data prepare meds_bench --mednli" in line


def test_a_file_that_is_none_of_the_release_is_not_placed(tmp_path: Path, files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.startswith("NER/task125"))
    files[name] = b"version https://git-lfs.github.com/spec/v1\n"
    with Hub({SPLIT: files}) as hub:
        done = ehrbench(
            *(tmp_path, "data", "fetch", "meds_bench", "--tasks", "meds_bench.ner.bc4chem", "--data-dir", tmp_path / "data"),
            endpoint=hub.url,
        )
    assert done.returncode == 2
    assert "NER/task125" in done.stderr
    assert not list((tmp_path / "data").rglob("task125*"))


def test_what_the_hub_lacks_and_a_hub_that_is_not_there(tmp_path: Path, files: dict[str, bytes]) -> None:
    lacking = {name: data for name, data in files.items() if not name.startswith("NER/task125")}
    with Hub({SPLIT: lacking}) as hub:
        arguments = ("data", "fetch", "meds_bench", "--tasks", "meds_bench.ner", "--data-dir", tmp_path / "data")
        done = ehrbench(tmp_path, *arguments, endpoint=hub.url)
        assert done.returncode == 3
        assert "task125_test_bc4chem_named_enetity_recognition.json is not on the hub" in done.stderr
        no_such = ehrbench(tmp_path, *arguments, "--full", endpoint=hub.url)
        assert no_such.returncode == 3
        assert "Henrychur/MedS-Bench cannot be downloaded" in no_such.stderr
    gone = ehrbench(tmp_path, *arguments)
    assert gone.returncode == 3
    assert "$HF_ENDPOINT" in gone.stderr
    assert "Traceback" not in gone.stderr
