from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.meds.reader import read

NOON = datetime(2150, 1, 1, 12)
EVENING = datetime(2150, 1, 1, 18, 30)


def shard(root: Path, name: str, rows: list[tuple[int, datetime | None, str, float | None, str | None]]) -> Path:
    path = root / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = {
        "subject_id": pl.Int64,
        "time": pl.Datetime("us"),
        "code": pl.String,
        "numeric_value": pl.Float32,
        "text_value": pl.String,
    }
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    first = [
        (1, None, "GENDER//F", None, None),
        (1, NOON, "LAB//50912//mg/dL", 7.4, None),
        (1, EVENING, "NOTE", None, "walks"),
    ]
    shard(tmp_path, "train/0.parquet", first)
    shard(tmp_path, "held_out/0.parquet", [(2, NOON, "LAB//50912//mg/dL", 40.0, None)])
    (tmp_path / "metadata").mkdir()
    codes = {"code": ["LAB//50912//mg/dL", "NOTE"], "description": ["Creatinine", " "], "parent_codes": [["LOINC/1"], []]}
    pl.DataFrame(codes).write_parquet(tmp_path / "metadata" / "codes.parquet")
    return tmp_path


def test_a_subjects_events_become_lines(root: Path) -> None:
    data = open_meds(root)
    assert sorted(data.block_of) == [1, 2]
    record = data.record(1)
    assert record.header == "Patient at 2150-01-01 18:30\nGENDER: F\n\n"
    assert record.text == "2150-01-01 12:00, LAB: Creatinine [50912] = 7.4 mg/dL\n2150-01-01 18:30, NOTE = walks"
    assert [record.text[e.start : e.end] for e in record.entries] == record.text.split("\n")
    assert [(e.time, e.kind) for e in record.entries] == [(NOON, "LAB"), (EVENING, "NOTE")]
    assert data.record(2).text == "2150-01-01 12:00, LAB: Creatinine [50912] = 40 mg/dL"


def test_a_record_ends_at_the_time_of_prediction(root: Path) -> None:
    record = open_meds(root).record(1, until=NOON)
    assert record.text.count("\n") == 0
    assert record.header.startswith("Patient at 2150-01-01 12:00\n")
    assert open_meds(root).record(1, until=datetime(2149, 1, 1)).text == ""


def test_our_shards_are_meds(root: Path) -> None:
    import meds
    import pyarrow.parquet as pq

    for path in open_meds(root).shards:
        meds.DataSchema.align(pq.read_table(path))
    assert {"subject_id", "time", "code"} <= set(meds.DataSchema.schema().names)


def test_questions_about_subjects(root: Path) -> None:
    rows = [
        {"id": "a", "subject_id": 1, "question": "Creatinine?", "answer": "7.4"},
        {
            "id": "b",
            "subject_id": 1,
            "question": "Creatinine?",
            "answers": ["7.4", "7.40"],
            "prediction_time": "2150-01-01T12:00:00",
        },
    ]
    (root / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read.recognises(root, {})
    data = read(root, {})
    assert [(i.id, i.group, i.references) for i in data.items] == [("a", "1", ("7.4",)), ("b", "1", ("7.4", "7.40"))]
    assert data.load_record is not None
    assert data.load_record(data.items[0].record_id or "").text.endswith("walks")
    assert not data.load_record(data.items[1].record_id or "").text.endswith("walks")


def test_labels_become_yes_no_questions(root: Path) -> None:
    labels = {"subject_id": [1, 2], "prediction_time": [NOON, NOON], "boolean_value": [True, False]}
    pl.DataFrame(labels).write_parquet(root / "labels.parquet")
    data = read(root, {"labels": "labels.parquet", "question": "Will she walk?"})
    assert [(i.references, i.choices, i.group) for i in data.items] == [
        (("no",), ("yes", "no"), "2"),
        (("yes",), ("yes", "no"), "1"),
    ]
    with pytest.raises(UsageError, match="needs data.options.question"):
        read(root, {"labels": "labels.parquet"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "question": "Q", "answer": "A", "subject_id": 9}, "items.jsonl:1: 'subject_id' is not a subject"),
        ({"id": "a", "question": "Q", "subject_id": 1}, "items.jsonl:1: expected the gold"),
        ({"question": "Q", "answer": "A", "subject_id": 1}, "items.jsonl:1: expected an object"),
        (
            {"id": "a", "question": "Q", "answer": "A", "subject_id": 1, "prediction_time": "noon"},
            "'prediction_time' is not a time",
        ),
    ],
)
def test_malformed_questions_are_named(root: Path, row: dict[str, object], message: str) -> None:
    (root / "items.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UsageError, match=message):
        read(root, {})


def test_malformed_shards_are_named(root: Path, tmp_path: Path) -> None:
    again = shard(root, "train/1.parquet", [(2, NOON, "X", None, None)])
    with pytest.raises(UsageError, match="subject 2 stands in .*held_out.* and in .*train"):
        open_meds(root)
    pl.DataFrame({"subject_id": [3], "time": [NOON]}).write_parquet(again)
    with pytest.raises(UsageError, match="no column 'code'"):
        open_meds(root)
    pl.DataFrame({"subject_id": ["3"], "time": ["noon"], "code": ["X"]}).write_parquet(again)
    with pytest.raises(UsageError, match="'subject_id' is String, 'time' is String"):
        open_meds(root)
    pl.DataFrame({"subject_id": [3], "time": [NOON], "code": [None]}, schema_overrides={"code": pl.String}).write_parquet(again)
    with pytest.raises(UsageError, match="1 values of subject_id or code are missing"):
        open_meds(root)
    again.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="not a readable Parquet file"):
        open_meds(root)
    with pytest.raises(MissingError, match="no Parquet files below data/"):
        open_meds(tmp_path / "metadata")
    again.unlink()
    with pytest.raises(UsageError, match="no subject 7"):
        open_meds(root).record(7)
    with pytest.raises(MissingError, match="the questions about the MEDS data set"):
        read(root, {})


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_with_a_zone_are_put_into_utc(root: Path, unit: str) -> None:
    """13:00 in Paris is noon, in the data and as the time of prediction."""
    path = root / "data" / "train" / "0.parquet"
    time = pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Paris").dt.cast_time_unit(unit)
    pl.read_parquet(path).with_columns(time).write_parquet(path)
    assert open_meds(root).record(1).text.split("\n") == [
        "2150-01-01 12:00, LAB: Creatinine [50912] = 7.4 mg/dL",
        "2150-01-01 18:30, NOTE = walks",
    ]
    assert open_meds(root).record(1, until=NOON).text.count("\n") == 0


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("2150-01-01T12:00:00", 1),
        ("2150-01-01T12:00:00Z", 1),
        ("2150-01-01T14:00:00+02:00", 1),
        ("2150-01-01T12:00:00+02:00", 0),
        ("2150-01-01T12:00:00-07:00", 2),
        ("2150-01-01 12:00:00", 1),
        ("2150-01-01", 0),
        (None, 2),
    ],
)
def test_an_offset_of_the_time_of_prediction_is_converted(root: Path, said: str | None, seen: int) -> None:
    row = {"id": "a", "subject_id": 1, "question": "Q", "answer": "A", "prediction_time": said}
    (root / "items.jsonl").write_text(json.dumps(row) + "\n")
    data = read(root, {})
    assert data.load_record is not None
    assert len(data.load_record(data.items[0].record_id or "").entries) == seen


def test_label_files_with_zones_and_without_times(root: Path) -> None:
    paris = pl.Series([NOON, EVENING]).dt.replace_time_zone("Europe/Paris")
    labels = pl.DataFrame({"subject_id": [1, 2], "prediction_time": paris, "boolean_value": [True, False]})
    labels.write_parquet(root / "labels.parquet")
    asked = {"labels": "labels.parquet", "question": "Will she walk?"}
    assert [item.record_id for item in read(root, asked).items] == ["2@2150-01-01T17:30:00", "1@2150-01-01T11:00:00"]
    nothing = pl.when(pl.col("subject_id") == 1).then("prediction_time")
    labels.with_columns(prediction_time=nothing).write_parquet(root / "labels.parquet")
    with pytest.raises(UsageError, match="row 2 has no prediction_time"):
        read(root, asked)


def test_what_other_programs_leave_is_no_shard(root: Path) -> None:
    (root / "data" / "train" / "._0.parquet").write_bytes(b"nothing")
    (root / "data" / ".ipynb_checkpoints").mkdir()
    (root / "data" / ".ipynb_checkpoints" / "0-checkpoint.parquet").write_bytes(b"nothing")
    assert len(open_meds(root).shards) == 2


def test_two_items_of_one_id_are_refused(root: Path) -> None:
    row = {"id": "a", "subject_id": 1, "question": "Q", "answer": "A"}
    (root / "items.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"subject_id": 2}) + "\n")
    with pytest.raises(UsageError, match="items 1 and 2 have the same id 'a'"):
        read(root, {})
