"""Tables fit the terminal: names are broken at their signs, numbers never, and what is too narrow gets lists."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.terminal.tables import table_lines
from tests.acceptance.chart import command, environment

HEADER = ("model", "task", "value", "95 % interval")
ROWS = [
    ("llama-3-8b-instruct", "meds_bench.fact_verification.pubmedqa", "0.1234", "0.1000 to 0.2000 !"),
    ("bm25", "medalign", None, "0.1000 to 0.2000  "),
]


def test_without_a_limit_no_cell_is_broken() -> None:
    assert list(table_lines(HEADER, ROWS, (2, 3))) == [
        "model                task                                    value       95 % interval",
        "-------------------  -------------------------------------  ------  ------------------",
        "llama-3-8b-instruct  meds_bench.fact_verification.pubmedqa  0.1234  0.1000 to 0.2000 !",
        "bm25                 medalign                                       0.1000 to 0.2000",
    ]


def test_names_are_broken_at_their_signs_and_numbers_are_not() -> None:
    lines = list(table_lines(HEADER, ROWS, (2, 3), 64))
    assert max(map(len, lines)) <= 64
    assert lines[2:5] == [
        "llama-3-8b-        meds_bench.fact_   0.1234  0.1000 to 0.2000 !",
        "instruct           verification.",
        "                   pubmedqa",
    ]


def test_a_terminal_too_narrow_for_the_numbers_gets_lists() -> None:
    assert list(table_lines(HEADER, ROWS[1:], (2, 3), 40)) == [
        "model          bm25",
        "task           medalign",
        "95 % interval  0.1000 to 0.2000",
    ]


@given(
    st.lists(st.tuples(st.text(max_size=80), st.text("abc._-/ ", max_size=60), st.integers(0, 10**9)), max_size=5),
    st.integers(50, 200),
)
def test_every_line_fits_and_no_character_is_lost(rows: list[tuple[str, str, int]], width: int) -> None:
    plain = [("".join(c for c in a if c.isprintable()), b, n) for a, b, n in rows]
    lines = list(table_lines(("name", "what", "number"), plain, (2,), width))
    assert all(len(line) <= width for line in lines)

    def letters(texts: list[str]) -> list[str]:
        return sorted("".join("".join(texts).split()))

    cells = [str(cell) for row in plain for cell in row]
    assert letters(lines[2:]) == letters(cells)


@pytest.mark.parametrize("columns", [80, 50])
def test_a_command_asks_the_terminal(columns: int) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {key: value for key, value in environment().items() if key != "COLUMNS"}
    process = subprocess.Popen(
        command("tasks", "list", "medalign,mimic_instr"), stdout=theirs, stderr=subprocess.PIPE, env=environ
    )
    os.close(theirs)
    text = b""
    try:
        while block := os.read(ours, 4096):
            text += block
    except OSError:  # Linux says so when the other end is closed
        pass
    assert process.wait() == 0
    lines = text.decode().replace("\r", "").splitlines()
    assert len(lines) > 7 and max(map(len, lines)) <= columns
