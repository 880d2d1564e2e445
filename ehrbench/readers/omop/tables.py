"""OMOP's tables on disk, as CSV or Parquet, with the types that the CDM gives their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from ehrbench.errors import MissingError, UsageError
from ehrbench.parquet import UNREADABLE

ROW = "__row"
"""The row of the file that a row is from; 1 for the first after a header."""
_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv")


def find_table(root: Path, name: str) -> Path | None:
    """A table's file, by its name in any letter case.

    Raises:
        UsageError: two files could be the table.
    """
    names = {name + suffix for suffix in _SUFFIXES}
    found = sorted(path for path in root.iterdir() if path.is_file() and path.name.lower() in names) if root.is_dir() else []
    if len(found) > 1:
        raise UsageError(f"OMOP: {found[0]} and {found[1]} could both be the table {name}; keep one")
    return found[0] if found else None


def need_table(root: Path, name: str, why: str) -> Path:
    """A table's file.

    Raises:
        MissingError: it is not there.
    """
    path = find_table(root, name)
    if path is None:
        raise MissingError(f"OMOP: {root} has no table {name} ({name}.csv, .csv.gz or .parquet), {why}")
    return path


class Table:
    """One table, scanned and not yet read."""

    def __init__(self, path: Path, required: Sequence[str], release: str = "OMOP") -> None:
        """Look at a table's columns.

        Args:
            path: the file.
            required: columns that it must have, in lower case.
            release: what it is a table of, for messages.

        Raises:
            UsageError: it cannot be read or lacks a column.
        """
        self.path = path
        self._release = release
        try:
            self._scan = pl.scan_parquet(path) if path.suffix == ".parquet" else _scan_text(path)
            names = self._scan.collect_schema().names()
        except (*UNREADABLE, UnicodeDecodeError) as error:
            raise self._broken(error) from None
        self.columns = {name: name.strip().lower() for name in names}
        if missing := [name for name in required if name not in self.columns.values()]:
            asks = "CDM 5.4 asks" if release == "OMOP" else "its layout asks"
            raise UsageError(f"{release}: {path} has no column {', '.join(map(repr, missing))}, which {asks} for")

    def rows(self, columns: Iterable[str], only: str = "", values: pl.Series | None = None) -> pl.DataFrame:
        """Columns as text or as they are, an absent one as nulls, with ``ROW``; only rows whose id ``only`` is one of ``values``.

        Raises:
            UsageError: an id of ``only`` is not a whole number, or the file cannot be read.
        """
        columns = list(dict.fromkeys(columns))
        scan = self._scan.rename(self.columns).with_row_index(ROW, 1)
        here = set(self.columns.values())
        absent = [pl.lit(None, pl.String).alias(name) for name in columns if name not in here]
        try:
            if only:
                key = pl.col(only)
                wrong = scan.filter(key.is_not_null() & key.cast(pl.Int64, strict=False).is_null()).select(ROW).head(1).collect()
                if wrong.height:
                    raise UsageError(f"{self._release}: {self.path}: row {wrong[ROW][0]}: {only} is not a whole number")
                scan = scan.with_columns(key.cast(pl.Int64))
                if values is not None:
                    scan = scan.filter(pl.col(only).is_in(values.implode()))
            return scan.select(ROW, *(name for name in columns if name in here)).with_columns(*absent).collect()
        except (*UNREADABLE, UnicodeDecodeError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> UsageError:
        return UsageError(f"{self._release}: {self.path} cannot be read as a table ({type(error).__name__}); export it again")


def _scan_text(path: Path) -> pl.LazyFrame:
    # Athena's vocabulary files are split by tabs and have bare quotation marks.
    head = pl.scan_csv(path, separator="\t", quote_char=None, infer_schema=False, n_rows=0).collect_schema().names()
    tab = len(head) > 1
    return pl.scan_csv(path, separator="\t" if tab else ",", quote_char=None if tab else '"', infer_schema=False)


def whole(column: str) -> pl.Expr:
    """An id; null where it is none."""
    return pl.col(column).cast(pl.Int64, strict=False)


def number(column: str) -> pl.Expr:
    """A number; null where it is none, NaN too."""
    return pl.col(column).cast(pl.Float64, strict=False).fill_nan(None)


def text(column: str) -> pl.Expr:
    """A text, empty for none."""
    return pl.col(column).cast(pl.String).fill_null("").str.strip_chars()
