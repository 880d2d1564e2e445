"""Numbers print as Python prints them, whatever their size."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ehrbench.suites.ehr_bench.build.pandas_text import printed

EDGES = [0.0, -0.0, 1.0, 88.0, 0.1, 1e-4, 9.999e-5, 1e15, 1e16, 1e17, 123456789012345680.0, 5e-324, 1.7976931348623157e308, 1e22]


def bits(rng: np.random.Generator) -> np.ndarray:
    """Every exponent that there is."""
    values = rng.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
    return values[np.isfinite(values)]


@pytest.mark.parametrize(
    "numbers",
    [
        EDGES,
        bits(np.random.default_rng(0)).tolist(),
        np.random.default_rng(1).lognormal(0, 6, 20_000).tolist(),
        np.random.default_rng(2).normal(0, 100, 20_000).round(2).tolist(),
    ],
    ids=["edges", "any", "wide", "measured"],
)
def test_floats_are_printed_as_python_prints_them(numbers: list[float]) -> None:
    texts = pl.Series("x", [None, *(repr(x) for x in numbers)])
    assert texts.to_frame().select(printed(pl.col("x"), "float"))["x"].to_list() == texts.to_list()
