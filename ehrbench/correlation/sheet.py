"""Tables of ratings and scores as files: CSV, TSV, Excel or Parquet, every odd row counted and named by its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.parquet import readable_parquet
from ehrbench.readers.table import Columns, Row, Table, read_table
from ehrbench.text_files import is_decimal_comma

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

    def told(self, meaning: str) -> str:
        """What was odd about one column, by kind."""
        return ", ".join(what.partition("; ")[0].partition(", so")[0] for what in self.rows if what.startswith(f"the {meaning} "))

    def sentences(self) -> tuple[str, ...]:
        """One sentence a kind: how many, and the first rows."""
        found = []
        for what, rows in self.rows.items():
            places = ", ".join(map(str, rows[:SHOWN])) + (" …" if len(rows) > SHOWN else "")
            found.append(f"{self.path.name}: {what}: {len(rows)} (row{'s' if len(rows) > 1 else ''} {places})")
        return tuple(found)


class Sheet:
    """One table with its columns resolved by meaning."""

    def __init__(self, source: Path | Table, what: str, aliases: Mapping[str, Sequence[str]], required: Sequence[str]) -> None:
        """Read the table.

        Args:
            source: ``.csv``, ``.tsv``, ``.xlsx`` or ``.parquet``; or a table that is read already.
            what: what it is, for messages.
            aliases: meaning to column names, the documented one first.
            required: meanings that must be there.

        Raises:
            MissingError: there is no such file.
            UsageError: it is not a table, is ragged, or lacks a column.
        """
        self.table = source if isinstance(source, Table) else _read(source, what)
        path = self.table.path
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
        """A finite number; NaN, counted, for anything else. Semicolons between cells go with decimal commas in them."""
        text = self.columns.get(row, meaning)
        comma = is_decimal_comma(text)
        try:
            number = float(text.replace(",", ".") if comma and self.table.separator == ";" else text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        if not text:
            kind = "is empty"
        elif comma:
            kind = "has a decimal comma; write it with a point"
        else:
            kind = "is not a finite number" if text.lower().strip("+-") in _UNFINITE else "is not a number"
        self.notes.add(f"the {meaning} {kind}, so the row counts as missing", row.number)
        return math.nan

    def place(self, row: Row) -> str:
        """Where a row is, for a message."""
        return self.table.place(row)


_UNFINITE = {"nan", "inf", "infinity"}


def shown(name: str) -> str:
    """A name for a message, cut to a sensible length."""
    return repr(name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - 1] + "…")


def _read(path: Path, what: str) -> Table:
    if not path.is_file():
        raise MissingError(f"{what} {path} is not there; name a CSV, TSV, Excel or Parquet file")
    return _read_parquet(path, what) if path.suffix.lower() in (".parquet", ".pq") else read_table(path, what)


def table_of(frame: object, name: str) -> Table:
    """A frame as a table, whatever made it.

    Args:
        frame: a polars or pandas frame, a mapping of columns, or a list of mappings.
        name: stands for the file in messages.

    Raises:
        UsageError: it is none of these.
    """
    try:
        made = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(_columns(frame), strict=False)
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        raise UsageError(
            f"{name}: a {type(frame).__name__} is not a table; expected a polars or pandas frame, a mapping of columns, a "
            "list of mappings, or the path of a file"
        ) from None
    return _from_polars(made, Path(name))


def _columns(frame: Any) -> Any:
    """What polars can make a frame of; a pandas frame by its columns, which needs no further package."""
    if hasattr(frame, "columns") and hasattr(frame, "to_dict") and hasattr(frame, "itertuples"):
        return {str(name): list(values) for name, values in frame.to_dict("list").items()}
    if isinstance(frame, (Mapping, list, tuple)):
        return frame
    raise TypeError


def _read_parquet(path: Path, what: str) -> Table:
    with readable_parquet(path, "write it again", f"{what}: "):
        return _from_polars(pl.read_parquet(path), path)


def _from_polars(frame: pl.DataFrame, path: Path) -> Table:
    rows = [
        Row(number, number, ["" if value is None or value != value else _text(value) for value in values])
        for number, values in enumerate(frame.iter_rows(), 1)
    ]
    return Table(path, [column.strip() for column in frame.columns], rows)


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
