"""Tables from spreadsheets: Excel's CSV in its several forms, and workbooks; all read as the plain CSV is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from ehrbench.correlation.ratings import Rankings, read_ratings
from ehrbench.correlation.scores import read_scores
from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.table import read_table

RATINGS = (
    ("item", "rater", "system", "rank", "correct", "cluster"),
    (3164388867, "Dr. A; surgery", "gpt, four", 1.5, "yes", 700000001),
    (3164388867, "Dr. A; surgery", "llama", 1.5, "no", 700000001),
    (3164388868, "Dr. A; surgery", "gpt, four", 2, "no", None),
    (3164388868, "Dr. A; surgery", "llama", 1, "yes", None),
)
SCORES = (
    ("item", "system", "metric", "score"),
    *((item, system, "overlap", score) for (item, _, system, score, *_) in RATINGS[1:]),
)
Write = Callable[[Path, tuple[tuple[object, ...], ...]], Path]


def csv_with(separator: str, decimal: str, *, before: str = "", end: str = "\n", suffix: str = ".csv") -> Write:
    def cell(value: object) -> str:
        text = "" if value is None else str(value).replace(".", decimal) if isinstance(value, float) else str(value)
        return f'"{text}"' if separator in text else text

    def write(folder: Path, rows: tuple[tuple[object, ...], ...]) -> Path:
        path = folder / f"table{suffix}"
        lines = [separator.join(map(cell, row)) + end for row in rows]
        path.write_bytes((before + "".join(lines)).encode())
        return path

    return write


def workbook(folder: Path, rows: tuple[tuple[object, ...], ...]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    book.create_sheet("legend").append(["what the ranks mean"])
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


WRITERS: dict[str, Write] = {
    "plain": csv_with(",", "."),
    "english_excel": csv_with(",", ".", before="\ufeff", end="\r\n"),
    "german_excel": csv_with(";", ",", before="\ufeff", end="\r\n"),
    "semicolons": csv_with(";", "."),
    "says_separator": csv_with(";", ",", before="sep=;\r\n", end="\r\n"),
    "tabs": csv_with("\t", ".", suffix=".tsv"),
    "tabs_named_csv": csv_with("\t", ".", before="\ufeff"),
    "bars": csv_with("|", "."),
    "excel": workbook,
}


def ratings(folder: Path, write: Write) -> Rankings:
    return read_ratings(write(folder, RATINGS))


@pytest.mark.parametrize("writer", WRITERS)
def test_ratings_are_read_alike(writer: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    expected = ratings(tmp_path / "plain", WRITERS["plain"])
    assert expected.ranks.tolist() == [[1.5, 1.5], [2, 1]]
    found = ratings(tmp_path, WRITERS[writer])
    assert found.digest() == expected.digest()
    assert (found.items, found.systems, found.groups) == (
        ("3164388867", "3164388868"),
        ("gpt, four", "llama"),
        ("700000001", None),
    )


@pytest.mark.parametrize("writer", WRITERS)
def test_scores_are_read_alike(writer: str, tmp_path: Path) -> None:
    (found,) = read_scores(WRITERS[writer](tmp_path, SCORES))[0]
    assert sorted(found.cells.values()) == [1, 1.5, 1.5, 2]


def test_a_decimal_comma_beside_other_separators_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('item,rater,system,rank\n1,a,x,"1,5"\n1,a,y,2\n')
    assert "the rank has a decimal comma; write it with a point" in " ".join(read_ratings(path).notes)


@pytest.mark.parametrize("row", ["1,a,x,1", "1;a;x;1;1"])
def test_a_row_of_another_width_says_what_it_was_split_at(row: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"item;rater;system;rank\n{row}\n")
    with pytest.raises(
        UsageError, match=r"r\.csv:2: row 1 has [15] fields?, the header has 4, split at each semicolon; a semicolon"
    ):
        read_ratings(path)


def test_a_header_of_one_column_is_no_quoting_fault(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("item\n1\n")
    assert read_table(path, "the table").columns == ["item"]
    with pytest.raises(UsageError, match=r"no column 'rater'"):
        read_ratings(path)


def test_a_workbook_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.xlsx"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(UsageError, match="not a workbook that can be read"):
        read_ratings(path)
    with pytest.raises(UsageError, match=r"row 2 has a number of more than 15 digits.*format the column as text"):
        read_table(workbook(tmp_path, (("item", "rank"), (1234567890123456789, 1))), "the table")
    with pytest.raises(UsageError, match="is empty"):
        read_table(workbook(tmp_path, ()), "the table")
    monkeypatch.setattr("ehrbench.readers.excel.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install 'ehrbench\[excel\]'"):
        read_ratings(path)
