"""The scratch folder of a build: what a dead process left goes, what a living one holds stays."""

from __future__ import annotations

import stat
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
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"]


def test_the_folder_is_its_owners_and_ignored_by_git_before_anything_is_laid_there(tmp_path: Path) -> None:
    out = tmp_path / "shared"
    out.mkdir(mode=0o755)
    (out / ".gitignore").touch()
    with workspace(out):
        assert (out / ".gitignore").read_text() == "*\n"
        assert stat.S_IMODE(out.stat().st_mode) == 0o700
