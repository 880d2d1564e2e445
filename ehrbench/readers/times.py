"""Columns of times: in UTC without a zone, however a table holds or writes them."""

from __future__ import annotations

import polars as pl

_FORMS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ZONE = r"(Z|[+-]\d{2}:?\d{2})$"


def in_utc(column: str, dtype: pl.DataType) -> pl.Expr:
    """A column of times in microseconds without a zone: one that has a zone is put into UTC."""
    time = pl.col(column)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return time.cast(pl.Datetime("us"))


def moment(column: str, dtype: pl.DataType) -> pl.Expr:
    """A time without a zone, which is UTC where it was given with one; null where there is none or it cannot be read."""
    if dtype.is_temporal():
        return in_utc(column, dtype)
    written = pl.col(column).cast(pl.String).fill_null("").str.strip_chars().str.replace("T", " ", literal=True)
    plain = [written.str.to_datetime(form, strict=False, time_unit="us") for form in _FORMS]
    zoned = written.str.replace(r"\s*Z$", "+0000").str.replace(r"([+-]\d{2}):(\d{2})$", "$1$2")
    in_zone = zoned.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", strict=False, time_unit="us", time_zone="UTC")
    return (
        pl.when(written.str.contains(r"\d" + _ZONE) & (written.str.len_chars() > 10))
        .then(in_zone.dt.replace_time_zone(None))
        .otherwise(pl.coalesce(*plain))
    )


def day_end(day: pl.Expr) -> pl.Expr:
    """The last second of a day: nobody knows what came before what within a day that is known without a time."""
    return day.cast(pl.Datetime("us")).dt.truncate("1d") + pl.duration(days=1, seconds=-1)
