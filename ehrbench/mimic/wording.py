"""The expressions that events are reduced and worded with."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ehrbench.mimic.cohort import hours


def without(column: str, word: str) -> pl.Expr:
    """A column of text in which one word counts as missing.

    Not ``replace``, under which a streamed query's memory grows with the rows.
    """
    return pl.when(pl.col(column) != word).then(pl.col(column))


def translated(column: str, words: Mapping[str, str]) -> pl.Expr:
    """A column of text with some whole values put in other words."""
    told = pl.col(column)
    for old, new in words.items():
        told = pl.when(pl.col(column) == old).then(pl.lit(new)).otherwise(told)
    return told


def two_decimals(value: pl.Expr) -> pl.Expr:
    """Numbers as Python's ``format(x, ".2f")`` writes them."""

    def write(numbers: pl.Series) -> pl.Series:
        return pl.Series(numbers.name, [None if x is None else f"{x:.2f}" for x in numbers.to_list()], dtype=pl.String)

    return value.map_batches(write, return_dtype=pl.String, is_elementwise=True)


def joined(*parts: str | pl.Expr | tuple[str | pl.Expr, ...], needs: str | None = None) -> pl.Expr:
    """Join parts; a tuple is left out whole where a value in it is missing; all is missing where ``needs`` is."""

    def whole(part: str | pl.Expr) -> pl.Expr:
        return pl.lit(part) if isinstance(part, str) else part

    pieces = [pl.concat_str([whole(p) for p in part]) if isinstance(part, tuple) else whole(part) for part in parts]
    joined = pl.concat_str(pieces, ignore_nulls=True)
    return joined if needs is None else pl.when(pl.col(needs).is_not_null()).then(joined)


def labelled(labels: Mapping[str, str]) -> pl.Expr:
    """``label: value`` of every column that has a value, with commas between."""
    parts = [pl.concat_str(pl.lit(f"{label}: "), pl.col(column).cast(pl.String)) for label, column in labels.items()]
    return pl.concat_str(parts, separator=", ", ignore_nulls=True)


def since_admission(column: str) -> pl.Expr:
    """Microseconds from ``admit`` to a time."""
    return (pl.col(column) - pl.col("admit")).dt.total_microseconds()


def duration_hours(start: str, stop: str) -> pl.Expr:
    """Hours between two times."""
    return hours((pl.col(stop) - pl.col(start)).dt.total_microseconds())


def mark_known(rows: pl.LazyFrame, dictionary: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    """Add ``known``: whether a dictionary has the row's item."""
    named = dictionary.select(*keys, known=pl.lit(True))
    return rows.join(named, on=keys, how="left").with_columns(pl.col("known").fill_null(False))
