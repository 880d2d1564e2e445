"""The reader of EHR-Bench's released JSONL, on its sample and on every malformed row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.samples import write_sample
from ehrbench.records.ehr_r1 import markdown_record, split_patient_block
from ehrbench.suites.ehr_bench.reader import FILES, read
from ehrbench.tasks.catalog import load_catalog
from tests.conftest import GOLDEN

DM = {"type": "decision_making", "task": "services"}
TEXT = (
    "## Patient Demographics [None]\n- Anchor_Age: 61\n- Gender: F\n\n\n\n"
    "## Admissions [2150-03-01 10:00:00]\n- Admission_Type: EW EMER.\n\n"
    "## Labotary Test Events [2150-03-01 07:00:00]\n| Item_Name | Valuenum |\n| ------ | ------ |\n| Sodium | 140.0 |"
)


def row(**more: Any) -> dict[str, Any]:
    info = {"task": "services", "task_type": "decision_making", "metric": "em", "target": '["MED"]', "label": ["MED"]}
    base = {
        "idx": 7,
        "instruction": "please give the next Services suggestion",
        "input": TEXT,
        "output": "MED",
        "candidates": ["SURG", "CMED"],
    }
    return base | {"task_info": info | more.pop("info", {})} | more


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: dict[str, Any] | str) -> Path:
        lines = [r if isinstance(r, str) else json.dumps(r) for r in rows]
        (tmp_path / FILES["decision_making"]).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path

    return write


def test_the_patient_block_is_apart_and_nothing_is_lost(release: Callable[..., Path]) -> None:
    dataset = read(release(row()), DM)
    (item,) = dataset.items
    assert dataset.load_record is not None
    record = dataset.load_record(item.id)
    assert item.slots["patient"] + record.text == TEXT
    assert item.slots["patient"].startswith("## Patient Demographics [None]\n- Anchor_Age: 61")
    assert [(e.kind, e.time.isoformat() if e.time else None) for e in record.entries] == [
        ("Admissions", "2150-03-01T10:00:00"),
        ("Labotary Test Events", "2150-03-01T07:00:00"),
    ]
    whole = read(release(row()), DM | {"patient_block": "record"})
    assert whole.load_record is not None
    assert whole.load_record(item.id).text == TEXT
    assert whole.items[0].slots["patient"] == ""


def test_candidates_are_repaired_or_left_as_released(release: Callable[..., Path]) -> None:
    folder = release(
        row(candidates=["SURG", "nan", "CMED"]), row(idx=8, candidates=["SURG", "nan", "CMED"], info={"label": ["SURG"]})
    )
    repaired, released = read(folder, DM), read(folder, DM | {"candidates": "released"})
    assert [item.choices for item in repaired.items] == [("SURG", "CMED", "MED")] * 2, "the fixed vocabulary lacked MED"
    assert [item.choices for item in released.items] == [("SURG", "nan", "CMED")] * 2
    assert [item.meta["gold_in_candidates"] for item in repaired.items] == [False, True]
    assert all(item.meta["n_candidates"] == len(item.choices) for item in repaired.items)


def test_gold_shapes(release: Callable[..., Path]) -> None:
    rows = [
        row(idx=1, info={"label": "MED"}),
        row(idx=2, info={"label": None, "target": '["MED", " MED ", "nan"]'}),
        row(idx=3, info={"label": None, "target": None}, output="MED\nSURG"),
    ]
    assert [item.labels for item in read(release(*rows), DM).items] == [("MED",), ("MED",), ("MED", "SURG")]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"task_info": {"task": "services"}', "expected an object"),
        (row(input=None), "'input' is not a text"),
        (row(info={"label": None, "target": "[MED]"}), "target is not JSON"),
        (row(info={"label": []}), "gold is empty"),
        (row(info={"label": 3}), "neither a text nor a list"),
        (row(candidates="MED"), "neither a list nor null"),
        (row(idx="seven"), "expected an object"),
    ],
)
def test_malformed_rows_name_file_and_line(release: Callable[..., Path], bad: dict[str, Any] | str, message: str) -> None:
    with pytest.raises(UsageError, match=rf"decision_making\.jsonl:2: .*{message}") as caught:
        read(release(row(), bad), DM)
    assert "Sodium" not in str(caught.value)


def test_a_second_row_of_one_index_is_named(release: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r":2: a second row"):
        read(release(row(), row()), DM)


def test_what_is_not_there(release: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no row of task 'poe'"):
        read(release(row()), DM | {"task": "poe"})
    with pytest.raises(MissingError, match="ehr_bench_risk_prediction"):
        read(tmp_path, {"type": "risk_prediction", "task": "ICU_Readmission"})
    with pytest.raises(UsageError, match="did you mean 'candidates'"):
        read(release(row()), DM | {"candidate": "released"})


def test_the_sample_has_rows_of_all_45_tasks(tmp_path: Path) -> None:
    folder = write_sample("ehr_bench", tmp_path / "ehr_bench")
    tasks = load_catalog().select("ehr_bench")
    assert len(tasks) == 45
    assert sum(bool(task.facts["paper_task"]) for task in tasks) == 42
    for task in tasks:
        dataset = read(folder, task.data.options)
        assert len(dataset.items) >= 6
        assert dataset.load_record is not None
        record = dataset.load_record(dataset.items[0].id)
        assert len(record.entries) > 10, "as many events as the release's filter asks for"
    assert (write_sample("ehr_bench", tmp_path / "again") / FILES["risk_prediction"]).read_bytes() == (
        folder / FILES["risk_prediction"]
    ).read_bytes()


def test_golden_inputs_are_read_back() -> None:
    golden = json.loads((GOLDEN / "ehr-bench-build.json").read_text(encoding="utf-8"))
    texts = [text for text in _texts(golden) if text.startswith("## Patient Demographics")]
    assert texts
    for text in texts:
        patient, rest = split_patient_block(text)
        assert patient + rest == text
        entries = markdown_record("x", text).entries
        assert entries[0].kind == "Patient Demographics"
        assert len(entries) == text.count("\n## ") + 1


def _texts(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [text for child in children for text in _texts(child)]


def test_a_build_that_was_stopped_before_its_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "ehr_bench_decision_making.jsonl").write_text("{}\n")
    with pytest.raises(MissingError, match=r"has no manifest\.json, so its preparation did not finish"):
        read(tmp_path, {"type": "decision_making", "task": "admissions"})
