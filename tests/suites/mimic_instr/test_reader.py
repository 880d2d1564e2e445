from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.metrics import Scorable
from ehrbench.metrics.typed import score_typed
from ehrbench.suites.mimic_instr.reader import read


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two admissions of two patients, written by hand in the prepared layout."""
    root = tmp_path_factory.mktemp("mimic_instr")
    (root / "records").mkdir()
    lists = {
        "hadm_id": [20, 30],
        "subject_id": [2, 3],
        "admitted": [datetime(2150, 1, 1, 10), datetime(2150, 1, 1, 10)],
        "at_us": [[0, 3_600_000_000], [0]],
        "event_type": [["patient_demographics", "labevents"], ["patient_demographics"]],
        "text": [["gender: F", "Na: 140 mEq/L (normal)"], ["gender: M"]],
    }
    pl.DataFrame(lists).write_parquet(root / "records" / "part-00000.parquet")
    for name, rows in {"": "20\n30\n", "_test": "20\n", "_test_subset": "20\n", "_train": "30\n"}.items():
        (root / f"cohort{name}.csv").write_text("hadm_id\n" + rows)
    questions = [
        ours(20, 1, "What was the gender of the patient?", "F", "text", "F"),
        ours(20, 2, "How long?", "1.00 hours", "duration", 1.0, unit="hours", tolerance=0.005, alternatives=["0.04 days"]),
        ours(30, 1, "What was the gender of the patient?", "M", "text", "M", split="train"),
    ]
    write(root / "qa_event.jsonl", *questions)
    write(root / "qa_test_subset.jsonl", questions[1])
    (root / "manifest.json").write_text(json.dumps({"format": "ehrbench mimic_instr", "format_version": 1, "open_data": True}))
    return root


def ours(
    hadm: int, number: int, q: str, a: str, kind: str, value: object, split: str = "test", **more: object
) -> dict[str, object]:
    row = {"id": f"event-{hadm}-{number}", "source": "event", "split": split, "hadm_id": hadm, "subject_id": hadm // 10}
    row |= {"event_type": "patient_demographics", "template": "t", "q": q, "a": a, "answer_type": kind, "value": value}
    return row | {"unit": None, "tolerance": 0.0, "period": None, "alternatives": []} | more


def write(path: Path, *rows: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "mimic_instr"))


def test_the_test_subset_is_the_default(prepared: Path) -> None:
    data = read(prepared, {})
    (item,) = data.items
    assert (item.id, item.record_id, item.group) == ("event-20-2", "20", "2")
    assert item.references == ("1.00 hours", "0.04 days")
    assert item.meta["gold"] == {"type": "duration", "value": 1.0, "unit": "hours", "tolerance": 0.005}
    assert data.open_data
    assert read.recognises(prepared, {})


def test_records_are_event_lines_with_an_entry_each(prepared: Path) -> None:
    load = read(prepared, {"split": "all"}).load_record
    assert load is not None
    record = load("20")
    assert record.text == "0.00 hour, patient_demographics, gender: F\n1.00 hour, labevents, Na: 140 mEq/L (normal)"
    assert [record.text[e.start : e.end] for e in record.entries] == record.text.split("\n")
    assert record.newest_time() == datetime(2150, 1, 1, 11)
    assert load("30").text == "0.00 hour, patient_demographics, gender: M"


def test_splits(prepared: Path) -> None:
    assert [i.id for i in read(prepared, {"split": "test"}).items] == ["event-20-1", "event-20-2"]
    assert [i.id for i in read(prepared, {"split": "train"}).items] == ["event-30-1"]
    assert len(read(prepared, {"split": "all"}).items) == 3
    with pytest.raises(MissingError, match="no question of source 'event' in the split 'val'"):
        read(prepared, {"split": "val"})
    with pytest.raises(UsageError, match="expected 'test_subset', 'test'"):
        read(prepared, {"split": "tests"})


def test_no_text_of_a_patient_names_a_stratum(prepared: Path) -> None:
    for item in read(prepared, {"split": "all"}).items:
        flat = {key for key, value in item.meta.items() if isinstance(value, str)}
        assert flat == {"source", "event_type", "template", "answer_type"}


@pytest.mark.parametrize("names", [("q", "a"), ("question", "answer")])
def test_released_questions_are_read_beside_the_prepared_lists(folder: Path, names: tuple[str, str]) -> None:
    q, a = names
    write(
        folder / "released" / "qa_event.jsonl",
        {"hadm_id": 20, q: "What sex was she?", a: "Female.", "event_type": "patient_demographics"},
        {"hadm_id": 20, q: "What sex was she?", a: "She was female.", "event_type": "patient_demographics"},
        {"hadm_id": 30, q: "What sex was he?", a: "Male.", "event_type": "patient_demographics"},
    )
    write(folder / "released" / "qa_note.jsonl", {"hadm_id": 20, q: "Why ___?", a: "Because."})
    data = read(folder, {"split": "test"})
    assert [(i.id, i.group, i.meta["event_type"]) for i in data.items] == [
        ("event-20-1", "2", "patient_demographics"),
        ("event-20-2", "2", "patient_demographics"),
    ]
    assert not data.open_data
    assert data.warnings == ["the answers are paraphrased, so they have no typed gold and typed_match is undefined for them"]
    assert score_typed([Scorable("i", "Female", i.references, meta=i.meta) for i in data.items]) == [None, None]
    assert len(read(folder, {"split": "test_subset"}).items) == 1
    (note,) = read(folder, {"source": "note"}).items
    assert (note.id, note.references, note.meta["event_type"]) == ("note-20-1", ("Because.",), "note")
    assert "1 questions or answers have a mask" in read(folder, {"source": "note"}).warnings[0]


def test_the_released_test_subset_holds_both_kinds(folder: Path) -> None:
    (folder / "released").mkdir()
    (folder / "released" / "qa_test_subset.csv").write_text("hadm_id,q,a,event_type\n20,Q1,A1,labevents\n20,Q2,A2,\n")
    assert [i.question for i in read(folder, {}).items] == ["Q1"]
    assert [i.question for i in read(folder, {"source": "note"}).items] == ["Q2"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('{"hadm_id": "x", "q": "Q", "a": "A"}', "qa_event.jsonl:1: 'hadm_id' is not a whole number"),
        ('{"hadm_id": 20, "q": "Q"}', "qa_event.jsonl:1: no text under 'a' or 'answer'"),
        ('{"hadm_id": 20, "q": "Q", "a": "A"}\n[]', "qa_event.jsonl:2: the line is not a JSON object"),
        ('{"hadm_id": 99, "q": "Q", "a": "A"}', "1 admissions \\(99\\) have no event list"),
    ],
)
def test_malformed_questions_are_named(folder: Path, rows: str, message: str) -> None:
    (folder / "released").mkdir()
    (folder / "released" / "qa_event.jsonl").write_text(rows)
    with pytest.raises(UsageError, match=message):
        read(folder, {"split": "all"})


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no questions from notes"):
        read(folder, {"source": "note"})
    with pytest.raises(MissingError, match="ehrbench data prepare mimic_instr"):
        read(tmp_path, {})
    with pytest.raises(UsageError, match="leads out of the data folder"):
        read(folder, {"file": "../x.jsonl"})
    with pytest.raises(UsageError, match="unknown key of data.options 'sauce'"):
        read(folder, {"sauce": 1})
    (folder / "manifest.json").unlink()
    with pytest.raises(MissingError, match="did not finish"):
        read(folder, {})


def test_questions_that_the_lists_do_not_answer_are_told(folder: Path) -> None:
    manifest = {"format": "ehrbench mimic_instr", "format_version": 1, "options": {"profile": "released"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert read(folder, {"split": "all"}).warnings == []
    text = (folder / "qa_event.jsonl").read_text().replace('"patient_demographics"', '"diagnoses_icd"', 1)
    (folder / "qa_event.jsonl").write_text(text)
    (warning,) = read(folder, {"split": "all"}).warnings
    assert warning == "1 questions are about diagnoses, which the lists of the profile 'released' do not show"


def test_the_digest_follows_the_lists_and_the_questions(folder: Path, prepared: Path) -> None:
    digest = read(folder, {}).digest()
    assert digest == read(prepared, {}).digest()
    (folder / "qa_test_subset.jsonl").write_text((folder / "qa_test_subset.jsonl").read_text().replace("How", "how"))
    assert read(folder, {}).digest() != digest
