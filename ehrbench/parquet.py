"""Parquet files: whatever polars makes of a damaged one, the file is named in one sentence; a full disk is the system's error."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
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


def write_parquet(frame: pl.DataFrame, path: Path, **options: Any) -> None:
    """Write a table.

    Args:
        frame: the table.
        path: where to.
        options: of polars.

    Raises:
        OSError: it cannot be written. Where polars opens the file itself, a full disk is an error of its own that has no number.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    path.write_bytes(buffer.getbuffer())
