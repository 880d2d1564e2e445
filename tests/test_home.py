"""Where ehrbench keeps approvals and caches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ehrbench.home import home_dir


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EHRBENCH_HOME")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def test_the_folder_of_an_earlier_version_is_used_on(user: Path) -> None:
    (user / ".ehrbench").mkdir()
    assert home_dir() == user / ".ehrbench"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
def test_a_new_one_is_where_the_system_wants_it_and_is_private(user: Path) -> None:
    assert home_dir() == user / ".local" / "share" / "ehrbench"
    assert home_dir().stat().st_mode & 0o777 == 0o700


def test_a_named_folder_comes_first(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user / ".ehrbench").mkdir()
    monkeypatch.setenv("EHRBENCH_HOME", str(user / "own"))
    assert home_dir() == user / "own"
