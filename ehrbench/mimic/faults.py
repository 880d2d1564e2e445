"""Finding what is wrong with a CSV table: the row and the column, never the value.

Polars reads a row with too few fields as if the rest were missing, and quotes the offending value in its errors. ``check_widths``
is a fast streamed check of every file for the first; ``check_cells`` is the slow search that runs only once a query has failed.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.mimic.schema import Kind, Table

_AGAIN = "copy the table from the release again"
_NOT_IN_TEXT = "\x1f"
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")


def first_line(path: Path) -> str:
    """The header of a CSV table, without its line end or byte-order mark."""
    with _opened(path) as file:
        line = file.readline().rstrip("\r\n")
    if not line:
        raise UsageError(f"MIMIC-IV: {path} is empty; {_AGAIN}")
    return line.removeprefix("\ufeff")


def is_empty(path: Path) -> bool:
    """Whether a CSV table has a header and nothing else."""
    with _opened(path) as file:
        file.readline()
        return not file.readline()


def check_widths(path: Path, width: int) -> None:
    """Check that every row of a CSV table has ``width`` fields.

    Raises:
        UsageError: one has not, or the file ends in the middle; names the row.
    """

    def count(rows: pl.DataFrame) -> pl.DataFrame:
        line = rows["line"]
        quoted = line.str.contains('"', literal=True)
        n_odd = ((line.str.count_matches(",", literal=True) != width - 1) & ~quoted).sum() + line.null_count()
        if quoted.any():
            bare = line.filter(quoted).str.replace_all('"[^"]*"', "")
            ragged = (bare.str.count_matches(",", literal=True) != width - 1) | bare.str.contains('"', literal=True)
            n_odd += ragged.sum()
        return pl.DataFrame({"n": [n_odd]}, schema=found)

    found = {"n": pl.Int64()}
    lines = pl.scan_csv(path, separator=_NOT_IN_TEXT, quote_char=None, has_header=False, schema={"line": pl.String()})
    counted = lines.map_batches(count, schema=found, streamable=True, projection_pushdown=False, predicate_pushdown=False)
    try:
        n_odd = counted.sum().collect(engine="streaming").item()
    except (pl.exceptions.PolarsError, OSError):
        n_odd = 1
    if n_odd:
        # Something is odd: a text with line breaks in it, or a real fault. Only a parser can tell.
        for _ in _rows(path, width):
            pass


def check_cells(path: Path, header: dict[str, str], table: Table) -> None:
    """Find the first cell of a CSV table that has the wrong form; return quietly when there is none.

    Raises:
        UsageError: names the file, the row and the column.
    """
    typed = [(i, name, kind) for i, name in enumerate(header) if (kind := table.columns.get(name, "text")) != "text"]
    for number, row in _rows(path, len(header)):
        for i, name, kind in typed:
            if row[i] and not _CHECKS[kind](row[i]):
                raise UsageError(f"MIMIC-IV: {path}: row {number}, column '{name}' is not {_EXPECTED[kind]}; {_AGAIN}")


def _rows(path: Path, width: int) -> Iterator[tuple[int, list[str]]]:
    """Data rows with their numbers (the header is row 1), checked for their width."""
    csv.field_size_limit(1 << 30)
    number = 1
    with _opened(path) as file:
        reader = csv.reader(file, strict=True)
        next(reader, None)
        try:
            for number, row in enumerate(reader, 2):
                if len(row) != width and not (width == 1 and not row):
                    raise UsageError(
                        f"MIMIC-IV: {path}: row {number} has {len(row)} fields, and the header has {width}; {_AGAIN}"
                    )
                if not all(map(_is_utf8, row)):
                    raise UsageError(f"MIMIC-IV: {path}: row {number} is not UTF-8 text; {_AGAIN}")
                yield number, row
        except csv.Error:
            raise UsageError(
                f"MIMIC-IV: {path}: the file ends or breaks inside a quoted text after row {number}; {_AGAIN}"
            ) from None
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
    return cell.lstrip("+-").isascii() and cell.lstrip("+-").isdigit()


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
_EXPECTED: dict[Kind, str] = {
    "int": "a whole number",
    "float": "a number",
    "time": "a time (YYYY-MM-DD hh:mm:ss)",
    "date": "a date (YYYY-MM-DD)",
}
