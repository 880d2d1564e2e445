"""Parquet files from elsewhere: whatever polars makes of a damaged one, the file is named in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polars.exceptions import PanicException, PolarsError

from ehrbench.errors import UsageError

UNREADABLE = (PolarsError, PanicException, OSError)
"""How polars fails on a damaged file. A panic of its own code is no ``Exception`` of Python's, and its text may quote a value."""


@contextmanager
def readable_parquet(path: Path, again: str, whose: str = "") -> Iterator[None]:
    """Read a file within this context.

    Args:
        path: the file.
        again: what to do about a damaged one ("copy it again").
        whose: before the file's name, for the message ("MEDS: ").

    Raises:
        UsageError: it cannot be read.
    """
    try:
        yield
    except UNREADABLE as error:
        raise UsageError(f"{whose}{path} is not a readable Parquet file ({type(error).__name__}); {again}") from None
