"""The first sheet of an Excel workbook as text, through polars and fastexcel (``pip install 'ehrbench[excel]'``)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ehrbench.errors import MissingError, UsageError

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
EXACT_DIGITS = 15
"""A longer number has lost its last digits in Excel, which keeps numbers as floats."""


def read_sheet(path: Path, what: str) -> list[list[str]]:
    """The rows of a workbook's first sheet, the header first; an empty cell is an empty text, a whole number has no ``.0``.

    Args:
        path: the workbook.
        what: what it is, for messages ("the table of ratings").

    Raises:
        MissingError: there is no such file, or fastexcel is not installed.
        UsageError: it is not a workbook, is empty, or holds an identifier of more digits than Excel keeps.
    """
    if not path.is_file():
        raise MissingError(f"{what} {path} is not there")
    if find_spec("fastexcel") is None:
        raise MissingError(f"{path}: an Excel workbook needs fastexcel: pip install 'ehrbench[excel]', or save the sheet as CSV")
    # Every run knows the suffixes; few read a workbook, and polars takes a fifth of a short run's time to import.
    import polars as pl

    try:
        frame = pl.read_excel(
            path, sheet_id=1, has_header=False, drop_empty_rows=True, drop_empty_cols=True, raise_if_empty=False
        )
    except Exception as error:
        raise UsageError(f"{path}: {what} is not a workbook that can be read ({type(error).__name__}); save it again") from None
    if frame.is_empty():
        raise UsageError(f"{path}: {what} is empty; expected a row with column names on the workbook's first sheet")
    rows = [["" if cell is None else _text(cell) for cell in row] for row in frame.iter_rows()]
    for number, row in enumerate(rows, 1):
        if any(cell.isdecimal() and len(cell) > EXACT_DIGITS for cell in row):
            raise UsageError(
                f"{path}: row {number} has a number of more than {EXACT_DIGITS} digits, whose last ones Excel does not keep; "
                "format the column as text before the numbers are entered, or save the table as CSV"
            )
    return [[cell.strip() for cell in rows[0]], *rows[1:]]


def _text(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
