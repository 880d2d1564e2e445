"""The scratch folder of a build: what a dead process left goes, what a living one holds stays."""

from __future__ import annotations

from pathlib import Path

from ehrbench.mimic.portions import workspace


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".preparing-1-earlier"
    left.mkdir()
    (left / "patients.parquet").touch()
    with workspace(tmp_path) as mine:
        (mine / "patients.parquet").touch()
        assert not left.exists()
        with workspace(tmp_path) as other:
            assert (mine / "patients.parquet").exists() and other != mine
    assert list(tmp_path.iterdir()) == []
