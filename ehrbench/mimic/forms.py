"""The forms that a table may lie in, CSV and Parquet, read into the same typed columns by one rule for each kind of value.

- An empty text is a missing value, with quotation marks or without; so is a number that is NaN.
- A whole number may be written ``123.0``, as programs do that keep a column with gaps as floats; ``123.5`` is refused.
- Times have no zone. One that has (Parquet) is put into UTC, and the zone is dropped.
- The parts of a Parquet table may store a column with different types.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.mimic.faults import Header, is_empty
from ehrbench.mimic.schema import Kind, Table

TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.f"
_EXACT = 2.0**53
"""Whole numbers up to here are exact as floats."""


def parts(path: Path) -> list[Path]:
    """The files of a Parquet table, by name; hidden ones (``._x.parquet`` of another system's copy) are not among them."""
    if not path.is_dir():
        return [path]
    return sorted(part for part in path.glob("*.parquet") if part.is_file() and not part.name.startswith((".", "_")))


def scan_csv(table: Table, path: Path, header: Header, wanted: Sequence[str], *, as_text: bool, blank_end: bool) -> pl.LazyFrame:
    """Rows of a CSV table, their columns typed, or each value as it is written.

    Args:
        table: what the columns should be.
        path: the file, which may be compressed.
        header: what ``read_header`` found.
        wanted: names of columns in lower case, in the order wanted.
        as_text: leave values as text; a number loses ``.0``.
        blank_end: blank lines end the file, and are to be left out.
    """
    number = not as_text
    schema: dict[str, pl.DataType] = {}
    for column in header.columns:
        kind = table.columns.get(column, "text")
        schema[column] = pl.Float64() if number and kind in ("int", "float") else pl.String()
    if is_empty(path):
        rows = pl.LazyFrame(schema=schema)
    else:  # the file may write a name in upper case
        rows = pl.scan_csv(path, schema=schema, separator=header.separator, has_header=False, skip_rows=1)
    if blank_end:
        rows = rows.filter(pl.any_horizontal(pl.all().is_not_null()))
    return rows.select(
        _from_csv(column, table.columns[column], schema[column], header, as_text).alias(column) for column in wanted
    )


def _from_csv(column: str, kind: Kind, dtype: pl.DataType, header: Header, as_text: bool) -> pl.Expr:
    value = pl.col(column)
    if dtype == pl.Float64:
        return _whole(value) if kind == "int" else value.fill_nan(None)
    if kind == "text" and header.crlf:
        value = value.str.replace_all("\r\n", "\n", literal=True)
    return _written(value, kind) if as_text else _from_text(value, kind)


def _from_text(value: pl.Expr, kind: Kind) -> pl.Expr:
    """What a text stands for."""
    present = pl.when(value != "").then(value)
    if kind == "int":
        return _whole(present.cast(pl.Float64))
    if kind == "float":
        return present.cast(pl.Float64).fill_nan(None)
    if kind == "time":  # polars' own parsing of times is four times slower than its conversion of strings in a known format
        return present.str.to_datetime(TIME_FORMAT, time_unit="us")
    if kind == "date":
        return present.str.head(10).str.to_date("%Y-%m-%d")
    return present


def _written(value: pl.Expr, kind: Kind) -> pl.Expr:
    """A text as it stands there, the empty one missing; a number without ``.0``, as the release writes whole ones."""
    present = pl.when(value != "").then(value)
    return present.str.strip_suffix(".0") if kind in ("int", "float") else present


def _whole(value: pl.Expr) -> pl.Expr:
    """Floats as whole numbers; one that is not whole makes the query fail, as a text would."""
    present = value.fill_nan(None)
    odd = (present != present.floor()) | (present.abs() >= _EXACT)
    return pl.when(odd).then(float("nan")).otherwise(present).cast(pl.Int64)


def scan_part(table: Table, part: Path, header: dict[str, str], wanted: Sequence[str], *, as_text: bool) -> pl.LazyFrame:
    """Rows of one Parquet file, as ``scan_csv`` gives them.

    Args:
        table: what the columns should be.
        part: the file.
        header: lower-case name of a column to its name in the file.
        wanted: names of columns in lower case, in the order wanted.
        as_text: numbers and times as a CSV file would write them.

    Raises:
        UsageError: a column is stored as something that it cannot have been made from without loss.
    """
    rows = pl.scan_parquet(part)
    schema = rows.collect_schema()
    return rows.select(
        _from_parquet(part, rows, header[column], schema[header[column]], table.columns[column], as_text).alias(column)
        for column in wanted
    )


def _from_parquet(part: Path, rows: pl.LazyFrame, name: str, dtype: pl.DataType, kind: Kind, as_text: bool) -> pl.Expr:
    value = pl.col(name)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = value.cast(pl.String)
        return _written(text, kind) if as_text else _from_text(text, kind)
    if dtype == pl.Null or (not _fits(dtype, kind) and _is_bare(rows, name, dtype)):
        typed = pl.lit(None, _TARGETS[kind])
    elif not _fits(dtype, kind):
        lost = " (a number has lost its leading zeros or its written form)" if kind == "text" and dtype.is_numeric() else ""
        raise UsageError(
            f"MIMIC-IV: {part}: column '{name.lower()}' is stored as {dtype}, and {_NEEDED[kind]} is needed{lost}; convert the "
            "table again with every column as text"
        )
    elif kind == "int":
        typed = value.cast(pl.Int64) if dtype.is_integer() or dtype == pl.Boolean else _whole(value.cast(pl.Float64))
    elif kind == "float":
        typed = value.cast(pl.Float64).fill_nan(None)
    else:
        typed = _without_zone(value, dtype)
        if not as_text:
            typed = typed.cast(_TARGETS[kind])
    return _as_written(typed, kind, dtype) if as_text else typed


def _fits(dtype: pl.DataType, kind: Kind) -> bool:
    if kind == "text":
        return False
    return dtype.is_temporal() if kind in ("time", "date") else dtype.is_numeric() or dtype == pl.Boolean


def _is_bare(rows: pl.LazyFrame, name: str, dtype: pl.DataType) -> bool:
    """Whether a column has no value at all: such a one is stored as whatever the writing program takes for nothing."""
    value = pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name)
    return bool(rows.select(value.is_null().all()).collect().item())


def _without_zone(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return value


def _as_written(value: pl.Expr, kind: Kind, dtype: pl.DataType) -> pl.Expr:
    """A number or a time as the release's CSV writes it."""
    if kind not in ("time", "date") or dtype == pl.Null:
        return _written(value.cast(pl.String), kind)
    if dtype == pl.Date:
        return value.dt.strftime("%Y-%m-%d")
    seconds = value.dt.strftime("%Y-%m-%d %H:%M:%S")
    fraction = value.dt.strftime("%.3f")  # the release writes milliseconds, where there are any
    return pl.concat_str(seconds, pl.when(fraction != ".000").then(fraction).otherwise(pl.lit("")))


_TARGETS: dict[Kind, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "time": pl.Datetime("us"),
    "date": pl.Date(),
    "text": pl.String(),
}
_NEEDED: dict[Kind, str] = {
    "int": "a whole number",
    "float": "a number",
    "time": "a time",
    "date": "a date",
    "text": "text",
}
