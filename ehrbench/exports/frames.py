"""Results as one tidy table: a row per result and metric."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ehrbench.results.collection import Results
from ehrbench.results.schema import Result
from ehrbench.tables import to_csv

if TYPE_CHECKING:
    import polars as pl


def csv(results: Sequence[Result]) -> Mapping[str, bytes]:
    """``results.csv``; a cell that a spreadsheet would take for a formula is quoted as text."""
    frame = _frame(results)
    return {"results.csv": to_csv(frame.columns, frame.iter_rows()).encode()}


def parquet(results: Sequence[Result]) -> Mapping[str, bytes]:
    """``results.parquet``."""
    buffer = io.BytesIO()
    _frame(results).write_parquet(buffer)
    return {"results.parquet": buffer.getvalue()}


def _frame(results: Sequence[Result]) -> pl.DataFrame:
    return Results(results, [None] * len(results)).to_frame().drop("folder")
