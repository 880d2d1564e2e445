"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure. Where a change is judged, the examples are the same each time; elsewhere they are fresh.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with the open demo data and the checked examples, which the repository does not hold."""
    folder = Path(os.environ.get("EHRBENCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("no shared data: set EHRBENCH_SHARED to the folder that holds data/ and golden/")
    return folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's approvals and caches."""
    home = tmp_path_factory.mktemp("ehrbench-home")
    monkeypatch.setenv("EHRBENCH_HOME", str(home))
