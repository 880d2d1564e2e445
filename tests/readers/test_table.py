from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.table import Columns, read_table


def table_file(tmp_path: Path, text: str, name: str = "table.tsv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return path


CELL = st.text(
    st.one_of(
        st.sampled_from("\t\n\",'ab é\u2028\x0b"), st.characters(exclude_categories=["Cs"], exclude_characters="\r\0\ufeff")
    ),
    max_size=12,
)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=6),
    delimiter=st.sampled_from("\t,"),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], delimiter: str, ending: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.tsv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ending)
        writer.writerow(["a", "b", "c"])
        writer.writerows(rows)
    table = read_table(path, "the table")
    assert table.columns == ["a", "b", "c"]
    assert [tuple(row.values) for row in table.rows] == rows
    assert [row.number for row in table.rows] == list(range(1, len(rows) + 1))


def test_long_fields_and_blank_lines(tmp_path: Path) -> None:
    long = "x" * 300_000
    table = read_table(table_file(tmp_path, f'a\tb\n\n"{long}"\t1\n\n2\t3\n\n'), "the table")
    assert [list(row.values) for row in table.rows] == [[long, "1"], ["2", "3"]]
    assert [row.line for row in table.rows] == [3, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\n1\t2\n1\t2\t3\n", r"table\.tsv:3: row 2 has 3 fields, the header has 2"),
        ('a\tb\n"x\ny"\t2\n1\n', r"table\.tsv:4: row 2 has 1 fields"),
        ('a\tb\n1\t2\n1\t"open canary\n1\t2\n', r"table\.tsv:3: a quotation mark opens a field"),
        ("", "the table is empty"),
        ("a\tb\tA\n", "columns 1 and 3 have the same name"),
    ],
)
def test_malformed_tables_name_file_and_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_table(table_file(tmp_path, text), "the table")
    assert "canary" not in str(caught.value)


def test_missing_and_undecodable_tables(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"none\.tsv is not there"):
        read_table(tmp_path / "none.tsv", "the table")
    path = table_file(tmp_path, "a\tb\n")
    path.write_bytes(b"a\tb\n1\t\xff\n")
    with pytest.raises(UsageError, match=r"table\.tsv:2: the table is not UTF-8"):
        read_table(path, "the table")


def test_columns_by_meaning(tmp_path: Path) -> None:
    table = read_table(table_file(tmp_path, "Instruction_ID\tMODEL\tx\ty\n1\tm\tone\ttwo\n"), "the table")
    aliases = {"id": ("instruction_id",), "system": ("model_name", "model"), "text": ("x", "y"), "none": ("z",)}
    columns = Columns(table, aliases)
    assert columns.get(table.rows[0], "id") == "1"
    assert columns.get(table.rows[0], "text") == "one", "the release's own name wins"
    assert columns.get(table.rows[0], "none") == ""
    assert columns.report() == "table.tsv: 'system' read from column 'model'"
    with pytest.raises(UsageError, match="no column for 'none': expected 'z' in a header of Instruction_ID, MODEL, x, y"):
        columns.require(aliases, "id", "none")
    with pytest.raises(UsageError, match="'x' and 'y' could both be 'text'"):
        Columns(table, {"text": ("w", "x", "y")})
    assert Columns(table, {"text": ("w", "x", "y")}, {"text": "y"}).get(table.rows[0], "text") == "two"
    with pytest.raises(UsageError, match="names 'q', which is not a column"):
        Columns(table, {"text": ("w",)}, {"text": "q"})


def test_a_table_without_a_header_is_not_quoted(tmp_path: Path) -> None:
    table = read_table(table_file(tmp_path, "9000000001\tsecret canary text\tyes\n"), "the table")
    with pytest.raises(UsageError, match="in a header of yes, 2 that are not plain names") as caught:
        Columns(table, {"id": ("instruction_id",)}).require({"id": ("instruction_id",)}, "id")
    assert "canary" not in str(caught.value)


def test_a_row_that_reads_like_the_readers_own_marker_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("word\nfirst\nehrbench-end-of-table\nlast\n")
    assert [row.values for row in read_table(path, "the table").rows] == [["first"], ["ehrbench-end-of-table"], ["last"]]
