"""CSV that opens everywhere and runs nowhere."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.tables import to_csv

CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text())


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_every_table_can_be_written_and_no_cell_is_a_formula(rows: list[list[object]]) -> None:
    read = list(csv.reader(io.StringIO(to_csv(("a", "b"), rows), newline="")))
    assert len(read) == len(rows) + 1
    for line, row in zip(read[1:], rows, strict=True):
        for cell, value in zip(line, row, strict=True):
            assert not isinstance(value, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_cells() -> None:
    row = ["=1+1", "-", -0.5, math.nan, None, "a,b", "x\0y"]
    assert to_csv(("h",), [row]) == "h\n'=1+1,'-,-0.5,,,\"a,b\",x\ufffdy\n"


@pytest.mark.parametrize("before", ["\n", "\ufeff", " ", "\u00a0", "\u200b", "\r\n", "\x0b", " \n\t", ""])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe62", "\u2212"])
def test_a_formula_behind_what_cannot_be_seen_is_a_text(before: str, sign: str) -> None:
    text = to_csv(("h", "i"), [[f"{before}{sign}HYPERLINK(1)", 1]])
    _, (cell, _) = csv.reader(io.StringIO(text, newline=""))
    assert cell.startswith("'")
