"""The metrics' environment and tiny checkpoints in it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOKENIZERS = HERE.parent / "tiny" / "tokenizers"


@pytest.fixture(scope="session")
def comet_python() -> Path:
    """The interpreter of the metrics' environment."""
    place = os.environ.get("EHRBENCH_COMET_ENVIRONMENT")
    if not place:
        pytest.skip("no metrics' environment: EHRBENCH_COMET_ENVIRONMENT names none")
    return Path(place) / "bin" / "python"


def comet_side(python: Path, *arguments: object) -> None:
    """Run ``comet_side.py`` in the metrics' environment."""
    done = subprocess.run(
        [python, "-W", "ignore", HERE / "comet_side.py", *map(str, arguments)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def checkpoints(comet_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``regression``, ``unified``, ``lens``, ``bleurt``, ``unieval`` and two encoders."""
    folder = tmp_path_factory.mktemp("checkpoints")
    comet_side(comet_python, "make", folder, TOKENIZERS)
    return folder


@pytest.fixture(scope="session")
def library_scores(
    comet_python: Path, checkpoints: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, list[dict[str, str]]]], dict[str, list[float]]]:
    """Rows by kind to what each metric's own library gives, called directly in its environment."""

    def score(rows: dict[str, list[dict[str, str]]]) -> dict[str, list[float]]:
        folder = tmp_path_factory.mktemp("library")
        (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
        comet_side(comet_python, "score", checkpoints, folder / "rows.json", folder / "out.json")
        found: dict[str, list[float]] = json.loads((folder / "out.json").read_text("utf-8"))
        return found

    return score


@pytest.fixture(autouse=True)
def _workers_end() -> Iterator[None]:
    """No worker outlives a module's environment variables."""
    yield
    from ehrbench.neural.client import _known_scores

    _known_scores.cache_clear()
