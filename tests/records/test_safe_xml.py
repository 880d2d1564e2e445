"""A record that is nested without end is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.suites.medalign.records.xml import RENDERINGS, load_record


@pytest.mark.parametrize("rendering", sorted(RENDERINGS))
def test_elements_nested_a_hundred_thousand_deep_are_refused(tmp_path: Path, rendering: str) -> None:
    path = tmp_path / "EHR_1.xml"
    path.write_text("<eventstream>" + "<a>" * 100_000 + "</a>" * 100_000 + "</eventstream>")
    with pytest.raises(UsageError, match=r"EHR_1\.xml:1: elements are nested more than 1000 deep"):
        load_record(path, "1", rendering)
