"""A reader for each test of a site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.leaderboard.reader import Reader


@pytest.fixture
def reader(browser: Any) -> Iterator[Reader]:
    one = Reader(browser)
    yield one
    one.context.close()
