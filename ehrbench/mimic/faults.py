"""Finding what is wrong with a CSV table: the row and the column, never the value.

Polars reads a row with too few fields as if the rest were missing, and quotes the offending value in its errors. ``check_widths``
is a fast streamed check of every file for the first; ``check_cells`` is the slow search that runs only once a query has failed.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO, NamedTuple

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.mimic.schema import Kind, Table
from ehrbench.parquet import UNREADABLE
from ehrbench.text_files import is_utf16, not_utf8, separator_of

_AGAIN = "copy the table from the release again"
_NOT_IN_TEXT = "\x1f"
_INT = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")


class Header(NamedTuple):
    """The first row of a CSV table."""

    columns: Mapping[str, str]
    """Lower-case name to the name in the file, in the file's order."""
    separator: str
    crlf: bool
    """Whether lines end as on Windows."""


def read_header(path: Path) -> Header:
    """The header of a CSV table, without a byte-order mark; it is split by the separator that gives most columns.

    Raises:
        UsageError: the file is empty or names a column twice.
    """
    with _opened(path) as file:
        line = file.readline()
    if is_utf16(line.encode("utf-8", "surrogateescape")):
        raise UsageError(f"MIMIC-IV: {path} {not_utf8(line.encode('utf-8', 'surrogateescape'))}")
    crlf = line.endswith("\r\n")
    line = line.rstrip("\r\n").removeprefix("\ufeff")
    if not line:
        raise UsageError(f"MIMIC-IV: {path} is empty; {_AGAIN}")
    separator = separator_of(line)
    names = [name.strip().strip('"') for name in line.split(separator)]
    columns = {name.lower(): name for name in names}
    if len(columns) != len(names):
        raise UsageError(f"MIMIC-IV: {path}: a column name stands twice in row 1; {_AGAIN}")
    return Header(columns, separator, crlf)


def is_empty(path: Path) -> bool:
    """Whether a CSV table has a header and nothing else."""
    with _opened(path) as file:
        file.readline()
        return all(not line.strip("\r\n") for line in file)


def check_widths(path: Path, header: Header) -> bool:
    """Check that every row of a CSV table has as many fields as its header.

    Returns:
        Whether the file ends in blank lines, which are no rows.

    Raises:
        UsageError: a row has another number of fields, or the file ends in the middle; names the row.
    """
    width, separator = len(header.columns), header.separator

    def count(rows: pl.DataFrame) -> pl.DataFrame:
        line = rows["line"]
        quoted = line.str.contains('"', literal=True)
        n_odd = ((line.str.count_matches(separator, literal=True) != width - 1) & ~quoted).sum() + line.null_count()
        if quoted.any():
            bare = line.filter(quoted).str.replace_all('"[^"]*"', "")
            ragged = (bare.str.count_matches(separator, literal=True) != width - 1) | bare.str.contains('"', literal=True)
            n_odd += ragged.sum()
        return pl.DataFrame({"n": [n_odd]}, schema=found)

    found = {"n": pl.Int64()}
    lines = pl.scan_csv(path, separator=_NOT_IN_TEXT, quote_char=None, has_header=False, schema={"line": pl.String()})
    counted = lines.map_batches(count, schema=found, streamable=True, projection_pushdown=False, predicate_pushdown=False)
    try:
        n_odd = counted.sum().collect(engine="streaming").item()
    except UNREADABLE:
        n_odd = 1
    if not n_odd:
        return False
    # Something is odd: a text with line breaks in it, blank lines at the end, or a real fault. Only a parser can tell.
    last: Sequence[str] = ("a row",)
    for _, row in _rows(path, header):
        last = row
    return not last


def check_cells(path: Path, header: Header, table: Table) -> None:
    """Find the first cell of a CSV table that has the wrong form; return quietly when there is none.

    Raises:
        UsageError: names the file, the row and the column.
    """
    typed = [(i, name, kind) for i, name in enumerate(header.columns) if (kind := table.columns.get(name, "text")) != "text"]
    for number, row in _rows(path, header):
        for i, name, kind in typed if row else ():
            if row[i] and not _CHECKS[kind](row[i]):
                comma = kind in ("int", "float") and _is_float(row[i].replace(",", ".", 1))
                again = "it has a decimal comma; export the table with decimal points" if comma else _AGAIN
                raise UsageError(f"MIMIC-IV: {path}: row {number}, column '{name}' is not {EXPECTED[kind]}; {again}")


def _rows(path: Path, header: Header) -> Iterator[tuple[int, list[str]]]:
    """Data rows with their numbers (the header is row 1), checked for their width; blank lines at the end are empty rows."""
    csv.field_size_limit(1 << 30)
    width = len(header.columns)
    number, blank = 1, None
    with _opened(path) as file:
        reader = csv.reader(file, strict=True, delimiter=header.separator)
        next(reader, None)
        try:
            for number, row in enumerate(reader, 2):
                if not row:  # a row of its own where there is one column; else legal only at the end
                    blank = blank or number
                elif len(row) != width or (blank and width > 1):
                    wrong, n = (blank, 0) if blank and width > 1 else (number, len(row))
                    raise UsageError(f"MIMIC-IV: {path}: row {wrong} has {n} fields, and the header has {width}; {_AGAIN}")
                if not all(map(_is_utf8, row)):
                    raise UsageError(f"MIMIC-IV: {path}: row {number} is not UTF-8 text; {_AGAIN}")
                yield number, row
        except csv.Error:
            raise UsageError(
                f"MIMIC-IV: {path}: the file ends or breaks inside a quoted text after row {number}; {_AGAIN}"
            ) from None
        except MemoryError:
            raise UsageError(f"MIMIC-IV: {path}: the row after row {number} does not fit in memory; {_AGAIN}") from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise UsageError(f"MIMIC-IV: {path}: the compressed file breaks off after row {number}; {_AGAIN}") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    opened: IO[str]
    if path.suffix == ".gz":
        opened = gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
    else:
        opened = path.open(encoding="utf-8", errors="surrogateescape", newline="")
    with opened as file:
        try:
            yield file
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise UsageError(f"MIMIC-IV: {path} is not a whole gzip file; {_AGAIN}") from None


def _is_utf8(cell: str) -> bool:
    """Whether a cell was UTF-8 in the file; a decoder that reads ahead would name an earlier row."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_int(cell: str) -> bool:
    return _INT.fullmatch(cell) is not None


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and cell == cell.strip()


def _is_time(cell: str) -> bool:
    try:
        datetime.fromisoformat(cell[:19])
    except ValueError:
        return False
    return _TIME.fullmatch(cell) is not None


def _is_date(cell: str) -> bool:
    try:
        date.fromisoformat(cell[:10])
    except ValueError:
        return False
    return True


_CHECKS: dict[Kind, Callable[[str], bool]] = {"int": _is_int, "float": _is_float, "time": _is_time, "date": _is_date}
EXPECTED: dict[Kind, str] = {
    "int": "a whole number",
    "float": "a number",
    "time": "a time (YYYY-MM-DD hh:mm:ss)",
    "date": "a date (YYYY-MM-DD)",
}
