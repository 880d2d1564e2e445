"""Tables of ratings and scores as files: CSV, TSV or parquet, every odd row counted and named by its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.table import Columns, Row, Table, read_table

SHOWN = 5
NAME_LIMIT = 60


@dataclass
class Notes:
    """What was odd about a file, by kind, with the rows."""

    path: Path
    rows: dict[str, list[int]] = field(default_factory=dict)

    def add(self, what: str, row: int) -> None:
        """Count one odd row."""
        self.rows.setdefault(what, []).append(row)

    def sentences(self) -> tuple[str, ...]:
        """One sentence a kind: how many, and the first rows."""
        found = []
        for what, rows in self.rows.items():
            places = ", ".join(map(str, rows[:SHOWN])) + (" …" if len(rows) > SHOWN else "")
            found.append(f"{self.path.name}: {what}: {len(rows)} (row{'s' if len(rows) > 1 else ''} {places})")
        return tuple(found)


class Sheet:
    """One table with its columns resolved by meaning."""

    def __init__(self, path: Path, what: str, aliases: Mapping[str, Sequence[str]], required: Sequence[str]) -> None:
        """Read the table.

        Args:
            path: ``.csv``, ``.tsv`` or ``.parquet``.
            what: what it is, for messages.
            aliases: meaning to column names, the documented one first.
            required: meanings that must be there.

        Raises:
            MissingError: there is no such file.
            UsageError: it is no table, is ragged, or lacks a column.
        """
        if not path.is_file():
            raise MissingError(f"{what} {path} is not there; name a CSV, TSV or parquet file")
        self.table = _read_parquet(path, what) if path.suffix.lower() in (".parquet", ".pq") else read_table(path, what)
        self.columns = Columns(self.table, aliases)
        self.path = path
        self.notes = Notes(path)
        for meaning in required:
            if meaning not in self.columns:
                wanted = " or ".join(repr(name) for name in aliases[meaning])
                raise UsageError(
                    f"{path}: {what} has no column {wanted}; expected the columns {', '.join(required)}"
                    " (and a header with their names)"
                )

    def __iter__(self) -> Iterator[Row]:
        return iter(self.table.rows)

    def __contains__(self, meaning: str) -> bool:
        return meaning in self.columns

    def name(self, row: Row, meaning: str) -> str:
        """A name that must not be empty.

        Raises:
            UsageError: it is.
        """
        value = self.columns.get(row, meaning)
        if not value:
            raise UsageError(f"{self.place(row)}: the {meaning} is empty; every row needs one")
        return value

    def number(self, row: Row, meaning: str) -> float:
        """A finite number; NaN, counted, for anything else."""
        text = self.columns.get(row, meaning)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        kind = "is empty" if not text else "is not a finite number" if text.lower().strip("+-") in _UNFINITE else "is no number"
        self.notes.add(f"the {meaning} {kind}, so the row counts as missing", row.number)
        return math.nan

    def place(self, row: Row) -> str:
        """Where a row is, for a message."""
        return self.table.place(row)


_UNFINITE = {"nan", "inf", "infinity"}


def shown(name: str) -> str:
    """A name for a message, cut to a sensible length."""
    return repr(name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - 1] + "…")


def _read_parquet(path: Path, what: str) -> Table:
    try:
        frame = pl.read_parquet(path)
    except Exception as error:
        raise UsageError(f"{path}: {what} is not a parquet file that can be read ({type(error).__name__})") from None
    rows = [
        Row(number, number, ["" if value is None else _text(value) for value in values])
        for number, values in enumerate(frame.iter_rows(), 1)
    ]
    return Table(path, [column.strip() for column in frame.columns], rows)


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
