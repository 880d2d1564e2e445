"""``EHRBENCH_CLIENT=openai`` holds the official client to every test of servers, but for those that compare it with ours."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.environ.get("EHRBENCH_CLIENT") == "openai" and request.node.get_closest_marker("openai") is None:
        from ehrbench.models.server import load
        from ehrbench.models.server.openai_line import OpenAILine

        monkeypatch.setattr(load, "_line", lambda arguments: OpenAILine)
