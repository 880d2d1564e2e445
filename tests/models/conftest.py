"""``EHRBENCH_CLIENT=openai`` holds the official client to every test of servers; ``tox -e openai`` sets it."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.environ.get("EHRBENCH_CLIENT") == "openai":
        from ehrbench.models.server import load
        from ehrbench.models.server.openai_line import OpenAILine

        monkeypatch.setattr(load, "_line", lambda arguments: OpenAILine)
