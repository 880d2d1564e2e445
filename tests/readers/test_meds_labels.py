"""Label files as ACES and MEDS-DEV write them, splits, dictionaries, and the order that means nothing."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.meds.labels import read_labels
from ehrbench.readers.meds.reader import read
from tests.readers.test_meds import NOON, shard

ASKED = {"labels": "labels", "question": "Will the patient die in hospital?"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part, subjects in (("train", (1, 2)), ("held_out", (3, 4))):
        rows = [(s, NOON + timedelta(hours=h), f"LAB//{h}//mg/dL", 1.5 + h, None) for s in subjects for h in range(3)]
        shard(tmp_path, f"{part}/0.parquet", rows)  # type: ignore[arg-type]
    (tmp_path / "metadata").mkdir()
    splits = pl.DataFrame({"subject_id": [1, 2, 3, 4], "split": ["train", "train", "held_out", "held_out"]})
    splits.write_parquet(tmp_path / "metadata" / "subject_splits.parquet")
    return tmp_path


def labels(root: Path, name: str, subjects: list[int], **values: Any) -> Path:
    path = root / "labels" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [NOON + timedelta(hours=1)] * len(subjects)
    frame = pl.DataFrame({"subject_id": subjects, "prediction_time": values.pop("time", times), **values})
    frame.write_parquet(path)
    return path


def test_shards_of_labels_in_any_order(root: Path) -> None:
    labels(root, "train/0.parquet", [2, 1], boolean_value=[True, False])
    held = labels(root, "held_out/0.parquet", [4, 3], boolean_value=[True, False])
    items = read(root, ASKED).items
    assert [item.id for item in items] == [f"{n}@2150-01-01T13:00:00" for n in (3, 4, 1, 2)]
    assert [item.references[0] for item in items] == ["no", "yes", "no", "yes"]
    pl.read_parquet(held).reverse().write_parquet(held)
    assert read(root, ASKED).items == items
    assert read(root, ASKED | {"labels": "labels/*/0.parquet"}).items == items
    assert len(read(root, ASKED | {"labels": "labels/train/0.parquet"}).items) == 2


@pytest.mark.parametrize(
    ("column", "values", "answers", "choices"),
    [
        ("integer_value", [3, 0], ("3", "0"), ()),
        ("float_value", [3.0, 0.25], ("3", "0.25"), ()),
        ("categorical_value", ["mild", "severe"], ("mild", "severe"), ("mild", "severe")),
        ("boolean_value", [True, False], ("yes", "no"), ("yes", "no")),
    ],
)
def test_kinds_of_values(root: Path, column: str, values: list[Any], answers: tuple[str, ...], choices: tuple[str, ...]) -> None:
    empty = {other: [None, None] for other in ("boolean_value", "integer_value", "float_value") if other != column}
    labels(root, "0.parquet", [3, 4], **{column: values}, **empty)
    items = read(root, ASKED).items
    assert tuple(item.references[0] for item in items) == answers
    assert {item.choices for item in items} == {choices}


def test_a_split_is_asked_and_examples_come_from_training_with_their_records(root: Path) -> None:
    from ehrbench.runs.fewshot import draw_examples, example_pool, example_records
    from ehrbench.tasks.schema import FewshotSpec

    labels(root, "0.parquet", [1, 2, 3, 4], boolean_value=[True, True, False, False])
    held = read(root, ASKED | {"split": "held_out"})
    assert [item.group for item in held.items] == ["3", "4"]
    spec = FewshotSpec(k=2, record_tokens=30)
    drawn = draw_examples(example_pool(held, spec), held.items[0], spec, "t", 0, example_records(held, spec, None))
    assert [example["output"] for example in drawn] == ["yes", "yes"]
    assert all(
        example["record"].startswith("Patient at 2150-01-01 13:00\n\n2150-01-01 13:00, LAB: 1 = 2.5 mg/dL") for example in drawn
    )
    with pytest.raises(UsageError, match="0 items can serve as examples"):
        draw_examples(example_pool(read(root, ASKED), spec), held.items[0], spec, "t", 0)
    with pytest.raises(UsageError, match="the splits are held_out, train"):
        read(root, ASKED | {"split": "test"})
    (root / "metadata" / "subject_splits.parquet").unlink()
    with pytest.raises(MissingError, match=r"subject_splits\.parquet is not there"):
        read(root, ASKED | {"split": "held_out"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "values in no column; expected exactly one"),
        (
            {"boolean_value": [True, False], "integer_value": [1, 2]},
            "values in boolean_value, integer_value; expected exactly one",
        ),
        ({"boolean_value": [True, None]}, "row 2 has no boolean_value"),
        ({"time": ["noon", "night"], "boolean_value": [True, False]}, "prediction_time timestamps"),
    ],
)
def test_damaged_label_files_are_named(root: Path, values: dict[str, Any], message: str) -> None:
    labels(root, "0.parquet", [3, 4], **values)
    with pytest.raises(UsageError, match=rf"0\.parquet.*{message}"):
        read(root, ASKED)


def test_labels_of_strangers(root: Path) -> None:
    """One in a hundred may be; more stop."""
    times = [NOON + timedelta(minutes=n) for n in range(100)]
    labels(root, "0.parquet", [3] * 99 + [9], boolean_value=[True] * 100, time=times)
    data = read(root, ASKED)
    assert len(data.items) == 99
    assert any("1 of 100 labels" in warning and "row 100" in warning for warning in data.warnings)
    labels(root, "0.parquet", [3] * 98 + [9, 9], boolean_value=[True] * 100, time=times)
    with pytest.raises(UsageError, match="2 of 100 labels are about subjects"):
        read(root, ASKED)


def test_two_labels_at_one_time(root: Path) -> None:
    labels(root, "0.parquet", [3, 3, 4], boolean_value=[True, True, False])
    assert len(read(root, ASKED).items) == 2
    labels(root, "1.parquet", [3], boolean_value=[False])
    with pytest.raises(UsageError, match=r"row 1 and .*row 1 give one subject different labels"):
        read(root, ASKED)


def test_a_name_that_leads_out_or_nowhere(root: Path) -> None:
    with pytest.raises(UsageError, match="leads out of the data folder"):
        read_labels(root, "../x.parquet", [1])
    with pytest.raises(MissingError, match="no Parquet file is there"):
        read_labels(root, "nowhere", [1])


CONCEPTS = "concept_id\tconcept_name\tvocabulary_id\tconcept_code\n320128\tEssential hypertension\tSNOMED\t59621000\n"


@pytest.mark.parametrize("code", ["320128", "SNOMED/59621000", "SNOMED//59621000"])
def test_omops_concepts_name_codes(root: Path, code: str) -> None:
    shard(root, "train/1.parquet", [(7, NOON, code, None, None)])
    (root / "CONCEPT.csv").write_text(CONCEPTS)
    (root / "own.csv").write_text('﻿code,description,unit\nLAB//0//mg/dL,"Lead, blood",\n', "utf-8")
    data = open_meds(root, ["CONCEPT.csv", "own.csv"])
    assert "Essential hypertension" in data.record(7).text
    assert data.record(1).text.startswith("2150-01-01 12:00, LAB: Lead, blood [0] = 1.5 mg/dL")


def test_dictionaries_count_and_are_checked(root: Path) -> None:
    labels(root, "0.parquet", [3], boolean_value=[True])
    (root / "own.csv").write_text("code,description\nLAB//0//mg/dL,Lead\nLAB//0//mg/dL,Iron\n")
    data = read(root, ASKED | {"dictionaries": ["own.csv"]})
    assert any("1 codes have more than one description (first: row 2)" in warning for warning in data.warnings)
    before = data.digest()
    (root / "own.csv").write_text("code,description\nLAB//0//mg/dL,Iron\n")
    assert read(root, ASKED | {"dictionaries": ["own.csv"]}).digest() != before
    (root / "own.csv").write_text("name,meaning\n")
    with pytest.raises(UsageError, match="has no columns of a dictionary"):
        read(root, ASKED | {"dictionaries": ["own.csv"]})
    with pytest.raises(MissingError, match="a dictionary of codes"):
        read(root, ASKED | {"dictionaries": ["none.csv"]})
    with pytest.raises(UsageError, match="leads out of the data folder"):
        read(root, ASKED | {"dictionaries": ["../own.csv"]})


def test_descriptions_are_part_of_the_data(root: Path) -> None:
    labels(root, "0.parquet", [3], boolean_value=[True])
    codes = root / "metadata" / "codes.parquet"
    pl.DataFrame({"code": ["LAB//0//mg/dL"], "description": ["Lead"]}).write_parquet(codes)
    before = read(root, ASKED).digest()
    pl.DataFrame({"code": ["LAB//0//mg/dL"], "description": ["Iron"]}).write_parquet(codes)
    assert read(root, ASKED).digest() != before


def test_metadata_without_codes(root: Path) -> None:
    labels(root, "0.parquet", [3], boolean_value=[True])
    codes = root / "metadata" / "codes.parquet"
    pl.DataFrame({"name": ["LAB//0//mg/dL"], "description": ["Lead"]}).write_parquet(codes)
    with pytest.raises(UsageError, match=r"codes\.parquet has no column 'code'; it holds one row per code"):
        read(root, ASKED)
    codes.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"codes\.parquet is not a readable Parquet file"):
        read(root, ASKED)
    pl.DataFrame({"code": ["SEEN//ELSEWHERE"], "description": ["Lead"]}).write_parquet(codes)
    assert "Lead" not in open_meds(root).record(1).text


def test_two_descriptions_of_one_code(root: Path) -> None:
    labels(root, "0.parquet", [3], boolean_value=[True])
    codes = pl.DataFrame({"code": ["X", "LAB//0//mg/dL", "LAB//0//mg/dL"], "description": ["x", "Lead", "Iron"]})
    codes.write_parquet(root / "metadata" / "codes.parquet")
    said = "codes.parquet: 1 codes have more than one description (first: row 3); the first one of each is used"
    assert any(warning.endswith(said) for warning in read(root, ASKED).warnings)
    assert "LAB: Lead [0]" in open_meds(root).record(1).text


def test_a_static_row_with_a_time_is_an_event_of_its_time(root: Path) -> None:
    born = NOON - timedelta(days=9_000)
    rows = [
        (7, None, "ETHNICITY//A", None, None), (7, born, "MEDS_BIRTH", None, None), (7, born, "GENDER//F", None, None),
        (7, NOON, "GENDER//M", None, None),
    ]  # fmt: skip
    shard(root, "train/1.parquet", rows)
    record = open_meds(root).record(7)
    assert record.header.split("\n")[2:] == ["ETHNICITY: A", "GENDER: F", "", ""]
    assert record.text == "2150-01-01 12:00, GENDER: M"


def test_a_shard_that_changes_after_it_was_looked_at(root: Path) -> None:
    data = open_meds(root)
    path = next(iter(data.block_of.values())).shard
    pl.read_parquet(path).reverse().write_parquet(path)
    os.utime(path, ns=(0, 0))  # a clock may be coarse
    with pytest.raises(UsageError, match=rf"{path.name} has changed since it was opened; run the command again"):
        data.record(next(iter(data.block_of)))


def test_what_is_lacking_is_said(root: Path) -> None:
    shard(root, "train/1.parquet", [(7, NOON, "LOINC/1234-5", 1.0, None)] * 30)
    labels(root, "0.parquet", [3], boolean_value=[True])
    warnings = " ".join(read(root, ASKED).warnings)
    assert "0 % of 42 events have a name" in warnings
    assert "29 % of 42 events with a number have a unit" in warnings


def test_rows_that_are_not_in_order(root: Path) -> None:
    late = NOON + timedelta(hours=3)
    path = shard(
        root, "train/1.parquet", [(7, late, "B", None, None), (7, NOON, "A", None, None), (7, None, "GENDER//F", None, None)]
    )
    data = open_meds(root)
    assert [line[-1] for line in data.record(7).text.split("\n")] == ["A", "B"]
    assert any("2 rows are not in order of time (first: row 2)" in warning for warning in data.warnings)
    shard(root, "train/1.parquet", [(7, NOON, "A", None, None), (8, NOON, "B", None, None), (7, NOON, "C", None, None)])
    with pytest.raises(UsageError, match=rf"{path.name}: the rows of subject 7 are not together \(rows 1 and 3\)"):
        open_meds(root)


def test_columns_to_show(root: Path) -> None:
    frame = pl.DataFrame({"subject_id": [7], "time": [NOON], "code": ["X"], "ward": ["B"], "route": ["IV"]})
    frame.write_parquet(root / "data" / "train" / "1.parquet")
    assert open_meds(root).record(7).text.endswith("X; route IV")
    assert open_meds(root, modifiers=["ward"]).record(7).text.endswith("X; ward B")
    with pytest.raises(UsageError, match="names 'wards', which no shard has"):
        open_meds(root, modifiers=["wards"])
    (root / "metadata" / "dataset.json").write_text('{"code_modifier_columns": ["ward", "route"]}')
    assert open_meds(root).record(7).text.endswith("X; ward B; route IV")
    (root / "metadata" / "dataset.json").write_text("[]")
    with pytest.raises(UsageError, match=r"dataset\.json is not a JSON object"):
        open_meds(root)


def test_blocks_keep_subjects_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {subject: open_meds(root).record(subject) for subject in (1, 2, 3, 4)}
    monkeypatch.setattr("ehrbench.readers.meds.extract.BLOCK_ROWS", 2)
    data = open_meds(root)
    assert len(set(data.block_of.values())) == 4
    assert {subject: data.record(subject) for subject in (4, 1, 3, 2)} == whole


@pytest.mark.parametrize("time", [datetime(2150, 1, 1, 12, 0, 30)])
def test_seconds_are_shown_where_there_are_any(root: Path, time: datetime) -> None:
    shard(root, "train/1.parquet", [(7, time, "X", None, None)])
    assert open_meds(root).record(7).text == "2150-01-01 12:00:30, X"
