"""Submissions: every cell comes back as it was written, and any text ends in rows or in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.errors import MissingError, UsageError
from ehrbench.suites.meds_bench.submission.reader import read, read_submission, write_submission

CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
ROWS = st.lists(st.tuples(st.sampled_from(["task1", "task125"]), CELLS, CELLS, CELLS), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("submission")


@settings(deadline=None)
@given(ROWS)
def test_cells_come_back_as_they_were(folder: Path, rows: list[tuple[str, str, str, str]]) -> None:
    path = folder / "a_Model.csv"
    path.write_bytes(write_submission(rows))
    found = read_submission(path)
    assert [(task, *row[1:]) for task in found for row in found[task]] == sorted(rows, key=lambda row: [*found].index(row[0]))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_rows_or_one_sentence(folder: Path, data: bytes) -> None:
    path = folder / "b.csv"
    path.write_bytes(b"task_id,input,GT,output\n" + data)
    try:
        found = read_submission(path)
    except UsageError as error:
        assert str(path) in str(error)
    else:
        assert all(task and rows for task, rows in found.items())


def test_carriage_returns_stay_and_nul_is_replaced(folder: Path) -> None:
    path = folder / "c.csv"
    path.write_bytes(write_submission([("task1", "a\r\nb\rc", "None", "x\0y")]))
    (row,) = read_submission(path)["task1"]
    assert (row.number, row.input, row.gold, row.output) == (1, "a\r\nb\rc", "None", "x\ufffdy")


def test_items_of_rows(folder: Path) -> None:
    path = folder / "d.csv"
    rows = [
        ("task57", "Question: Which?\nOptions: A: one\tB: two", "The right answer is B: two", "B"),
        ("task131", "Age: 5", "The treatment planning is: Radiation after surgery", "none"),
        ("task131", "Age: 6", "The treatment planning is: Intraoperative radiation", "none"),
    ]
    path.write_bytes(write_submission(rows))
    (item,) = read(folder, {"file": "d.csv", "task_id": "task57", "choices": "options"}).items
    assert (item.id, item.choices, item.labels) == ("task57:row1", ("one", "two"), ("B",))
    golds = read(folder, {"file": "d.csv", "task_id": "task131", "choices": "golds"})
    assert golds.items[0].choices == ("Intraoperative radiation", "Radiation after surgery")
    assert golds.track == "submission"
    with pytest.raises(UsageError, match="no row of task2"):
        read(folder, {"file": "d.csv", "task_id": "task2"})
    with pytest.raises(MissingError):
        read_submission(folder / "none.csv")
