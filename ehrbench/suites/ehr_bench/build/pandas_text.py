"""Values as text the way pandas 1.5 reads and prints them: a whole column decides whether ``88`` becomes ``88`` or ``88.0``."""

from __future__ import annotations

import polars as pl

MISSING = (
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"]
    + ["N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"]
)  # fmt: skip
"""What ``pandas.read_csv`` takes for a missing value."""
_MOST_DIGITS = r"^[+-]?[0-9]{1,18}$"
_FLOAT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def as_missing(value: pl.Expr) -> pl.Expr:
    """Null where pandas reads a missing value."""
    return pl.when(value.is_in(MISSING).fill_null(True)).then(None).otherwise(value)


def inferred_kinds(rows: pl.LazyFrame, columns: list[str]) -> dict[str, str]:
    """``int``, ``float`` or ``text`` of every column, by pandas' rule: whole numbers with a value missing are floats."""
    if not columns:
        return {}
    asked = []
    for column in columns:
        value = pl.col(column)
        asked += [
            value.str.contains(_MOST_DIGITS).all().alias(f"{column} int"),
            value.str.contains(_FLOAT).all().alias(f"{column} float"),
            (value.null_count() == 0).alias(f"{column} full"),
        ]
    told = rows.select(asked).collect(engine="streaming").row(0, named=True)
    kinds = {}
    for column in columns:
        whole = told[f"{column} int"] and told[f"{column} full"]
        kinds[column] = "int" if whole else "float" if told[f"{column} float"] else "text"
    return kinds


def printed(value: pl.Expr, kind: str) -> pl.Expr:
    """A column's values as pandas prints them; missing stays null."""
    if kind == "int":
        return value.cast(pl.Int64).cast(pl.String)
    if kind == "float":
        return value.cast(pl.Float64).map_batches(_repr, return_dtype=pl.String, is_elementwise=True)
    return value


def _repr(numbers: pl.Series) -> pl.Series:
    """Polars writes a float as Python does, but for very large and very small ones."""
    size = numbers.abs()
    alike = size.is_between(1e-4, 1e15) | (size == 0)
    text: pl.Series = numbers.cast(pl.String)
    others = (~alike).fill_null(False).arg_true()
    if len(others):
        text = text.scatter(others, [repr(x) for x in numbers.gather(others)])
    return text
