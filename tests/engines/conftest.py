"""One tiny checkpoint and one server of it, for every test of vLLM that asks a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def served_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny.models import tiny_llama

    return tiny_llama(tmp_path_factory.mktemp("checkpoint") / "tiny", context=2048, eos_scale=1.5)


@pytest.fixture(scope="session")
def vllm_server(served_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address up to ``/v1``."""
    from tests.engines.vllm_server import serving

    with serving(served_checkpoint, tmp_path_factory.mktemp("server") / "log") as url:
        yield url
