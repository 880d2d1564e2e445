"""The publish check reads texts within columns of several values, as releases that ``datasets`` wrote have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.results.leaks import Search
from ehrbench.results.sources import search_data

TEXT = "the heifer kicked the gate behind the chapel of Corvara"


@pytest.mark.parametrize("value", [{"input": TEXT}, [{"input": TEXT, "output": "x"}], [[TEXT]]])
def test_a_text_in_a_nested_column_is_found(value: Any, tmp_path: Path) -> None:
    pl.DataFrame({"Instances": [None, value]}, strict=False).write_parquet(tmp_path / "task.parquet")
    search = Search({"result.json": f"On Tuesday {TEXT} once more."})
    assert not list(search_data(search, tmp_path))
    assert search.findings()
