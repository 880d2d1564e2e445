"""What the package datasets writes, read by the reader ``hf``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import ehrbench
from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.hf.reader import read
from ehrbench.readers.jsonl import read as read_jsonl
from tests.support.hub import COMMIT, Hub

pytestmark = pytest.mark.datasets

ROOT = Path(__file__).resolve().parents[2]
ROWS = {
    "id": ["a", "b", "c"],
    "question": ["Any fever?", "Any cough?", "Any rash?"],
    "answer": ["no", "yes", "no"],
    "group": ["p1", "p1", "p2"],
    "record": ["2016-03-01 no fever", "2016-03-02 coughs", "2016-03-01 no fever"],
    "level": ["easy", "hard", None],
}


def made(rows: dict[str, Any] = ROWS) -> Any:
    return import_module("datasets").Dataset.from_dict(rows)


def written(folder: Path, form: str, rows: dict[str, Any] = ROWS) -> dict[str, Any]:
    """The rows in one of the forms, and the options that read them."""
    data, datasets = made(rows), import_module("datasets")
    if form == "saved":
        data.save_to_disk(folder)
        return {}
    if form == "saved splits":
        datasets.DatasetDict({"train": made({"id": ["t"], "question": ["?"]}), "test": data}).save_to_disk(folder)
        return {}
    if form == "arrow":
        data.save_to_disk(folder / "x", num_shards=2)
        return {"files": ["x/*.arrow"]}
    if form == "repository":
        (folder / "data").mkdir()
        data.to_parquet(folder / "data" / "test-00000-of-00001.parquet")
        return {"split": "test"}
    if form == "array":
        (folder / "x.json").write_text(json.dumps(data.to_list()))
        return {"files": ["x.json"]}
    getattr(data, {"parquet": "to_parquet", "jsonl": "to_json"}[form])(folder / f"x.{form}")
    return {"files": [f"x.{form}"]}


FORMS = ("saved", "saved splits", "arrow", "repository", "array", "parquet", "jsonl")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_items_of_jsonl(form: str, tmp_path: Path) -> None:
    options = {**written(tmp_path, form), "meta": ["level"]}
    dataset = read(tmp_path, options)
    made().to_json(tmp_path / "items.jsonl")
    expected = read_jsonl(tmp_path, {"meta": ["level"]})
    assert dataset.items == expected.items and dataset.items[0].record_id
    assert dataset.load_record is not None and dataset.load_record(dataset.items[0].record_id).text == "2016-03-01 no fever"
    assert len({item.record_id for item in dataset.items}) == 2


def test_the_hash_is_of_the_rows_and_of_nothing_else(tmp_path: Path) -> None:
    digests = {}
    for form in FORMS:
        (folder := tmp_path / form).mkdir()
        digests[form] = read(folder, written(folder, form)).digest()
    assert len(set(digests.values())) == 1
    changed = {**ROWS, "answer": ["no", "yes", "yes"]}
    (folder := tmp_path / "changed").mkdir()
    assert read(folder, written(folder, "parquet", changed)).digest() not in digests.values()


def test_the_hash_follows_a_record_file(tmp_path: Path) -> None:
    options = written(tmp_path, "parquet", {"id": ["1"], "question": ["Q?"], "record_file": ["r.txt"]})
    (tmp_path / "r.txt").write_text("one")
    before = read(tmp_path, options)
    assert before.load_record is not None and before.load_record("r.txt").text == "one"
    (tmp_path / "r.txt").write_text("two")
    assert read(tmp_path, options).digest() != before.digest()


@pytest.mark.parametrize("form", ["parquet", "jsonl", "array", "repository"])
def test_streaming_reads_the_same_without_a_copy(form: str, tmp_path: Path) -> None:
    rows = {key: value for key, value in ROWS.items() if key != "record"}
    options = written(tmp_path, form, rows)
    streamed = read(tmp_path, {**options, "streaming": True})
    assert streamed.items == read(tmp_path, options).items
    assert "fingerprint" not in streamed.source


def test_streamed_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hold records, which have to be found again; leave data.options.streaming out"):
        read(tmp_path, {**written(tmp_path, "parquet"), "streaming": True})


def test_a_copy_of_the_users_text_is_private_and_goes_with_the_process(tmp_path: Path) -> None:
    written(tmp_path, "parquet")
    script = f"""
from pathlib import Path
from ehrbench.readers.hf.package import private_cache
from ehrbench.readers.hf.reader import read
read(Path({str(tmp_path)!r}), {{"files": ["x.parquet"]}})
copy = Path(private_cache())
assert list(copy.rglob("*.arrow"))
print(oct(copy.stat().st_mode & 0o777), copy)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    mode, _, folder = done.stdout.strip().partition(" ")
    assert mode == "0o700" and not Path(folder).exists()
    assert not list((tmp_path / "home").rglob("*.arrow"))


def test_classes_dates_structures_and_columns_without_text(tmp_path: Path) -> None:
    datasets = import_module("datasets")
    features = datasets.Features(
        {
            "q": datasets.Value("string"),
            "cop": datasets.ClassLabel(names=["no", "yes"]),
            "opts": {"text": datasets.List(datasets.Value("string")), "label": datasets.List(datasets.Value("string"))},
            "seen": datasets.Value("date32"),
            "scan": datasets.Value("binary"),
        }
    )
    rows = {
        "q": ["Fever?", "Cough?"],
        "cop": [1, 0],
        "opts": [{"text": ["x", "y"], "label": ["A", "B"]}] * 2,
        "seen": [date(2016, 3, 1), None],
        "scan": [b"1", b"2"],
    }
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path)
    dataset = read(tmp_path, {"fields": {"question": "q", "answer": "cop", "choices": "opts.text"}})
    first, second = dataset.items
    assert (first.id, first.references, second.references, first.choices) == ("0", ("yes",), ("no",), ("x", "y"))
    assert first.slots["seen"] == "2016-03-01" and second.slots["seen"] is None and "scan" not in first.slots
    assert any("the columns scan hold no text and are left out" in line for line in dataset.warnings)


def test_faults_are_told_by_row_without_text(tmp_path: Path) -> None:
    options = written(tmp_path, "parquet", {"id": ["a", "a"], "question": ["secret canary?", "secret canary!"]})
    with pytest.raises(UsageError, match="row 1: the id a is there already, on row 0") as caught:
        read(tmp_path, options)
    assert "canary" not in str(caught.value)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 secret canary")
    with pytest.raises(UsageError, match="is not a data set that datasets can read") as caught:
        read(tmp_path, options)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, "unknown split 'tset' .did you mean 'test'"),
        ({"config": "x"}, "written by save_to_disk and has no configurations"),
        ({"files": ["*.parquet"]}, "no file of .* is called"),
        ({"files": ["../*.parquet"]}, "leads out of the data folder"),
        ({"files": ["dataset_dict.txt"]}, "no file"),
        ({"id": "a/b", "files": ["x"]}, "name two sources"),
        ({"revision": "main"}, "is of a set of the hub"),
        ({"files": ["x"], "split": "test"}, "chooses within a data set"),
        ({"fields": {"id": "key"}}, "no column 'key' .*the columns are id, question"),
        ({"id": "../x"}, "data.options.id"),
        ({"spilt": "test"}, "unknown key of data.options 'spilt' .did you mean 'split'"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    written(tmp_path, "saved splits")
    with pytest.raises((UsageError, MissingError), match=message):
        read(tmp_path, options)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (inner := tmp_path / "data").mkdir()
    written(tmp_path, "parquet")
    (inner / "x.parquet").symlink_to(tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="leads out of the data folder"):
        read(inner, {"files": ["x.parquet"]})


TASK = """
task: quiz
version: 1
data: {{reader: hf, path: quiz, policy: open, options: {options}}}
prompt: {{user: "{{{{ question }}}}"}}
metrics: [exact_match]
primary: exact_match
"""


def test_a_run_notes_where_its_data_are_from(tmp_path: Path) -> None:
    (folder := tmp_path / "quiz").mkdir()
    written(folder, "saved")
    (tmp_path / "quiz.yaml").write_text(TASK.format(options="{meta: [level]}"))
    results = ehrbench.evaluate(lambda prompt: "no", "quiz", data_dir=tmp_path, include_paths=[tmp_path], out=tmp_path / "out")
    assert results["quiz"].metric("exact_match").value == pytest.approx(2 / 3)
    (manifest,) = (tmp_path / "out").rglob("manifest.json")
    source = json.loads(manifest.read_text())["data_source"]
    assert len(source["fingerprint"]) == 16 and str(tmp_path) not in manifest.read_text()


def command(home: Path, *arguments: object, endpoint: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the hub's client reads its settings when it is imported."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"HF_HOME": str(home), "EHRBENCH_HOME": str(home), "HF_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120)


def test_a_set_of_the_hub_comes_from_the_cache_alone(tmp_path: Path) -> None:
    made().to_parquet(tmp_path / "x.parquet")
    files = {"data/test-00000-of-00001.parquet": (tmp_path / "x.parquet").read_bytes(), "README.md": b"A quiz."}
    (tmp_path / "quiz.yaml").write_text(TASK.format(options=f"{{id: ward/quiz, revision: {COMMIT}}}"))
    with Hub({"ward/quiz": files}) as hub:

        def status() -> dict[str, Any]:
            arguments = ("-m", "ehrbench", "data", "status", "quiz", "--include-path", tmp_path, "--read", "--json")
            done = command(tmp_path / "home", sys.executable, *arguments, endpoint=hub.url)
            assert done.returncode in (0, 3), done.stderr
            (row,) = json.loads(done.stdout)
            return dict(row)

        before = status()
        assert before["state"] == "missing" and not hub.asked
        fetch = before["problem"].partition("`")[2].partition("`")[0]
        assert fetch == f"hf download --repo-type dataset ward/quiz --revision {COMMIT}"
        fetched = command(tmp_path / "home", *fetch.split(), endpoint=hub.url)
        assert fetched.returncode == 0, fetched.stderr
        hub.asked.clear()
        after = status()
        assert (after["state"], after["n_items"]) == ("here", 3), after["problem"]
        assert not hub.asked
        (part,) = (tmp_path / "home").rglob("test-00000-of-00001.parquet")
        part.unlink()
        assert status()["state"] == "missing"
