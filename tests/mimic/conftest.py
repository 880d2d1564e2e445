"""Fixtures on the open demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.mimic.tables import Mimic


@pytest.fixture(scope="session")
def demo(shared_dir: Path) -> Mimic:
    """The open demo, with its emergency-department part."""
    return Mimic(shared_dir / "data" / "mimic-iv-demo", ed=shared_dir / "data" / "mimic-iv-ed-demo")
