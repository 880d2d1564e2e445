"""The core installation is light: no deep-learning framework is among what it needs."""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

import pytest

HEAVY = ("torch", "transformers", "vllm", "tensorflow", "jax", "ray", "datasets", "lm-eval", "pandas", "scikit-learn")


def needed(distribution: str, seen: set[str]) -> set[str]:
    """Everything a distribution needs on this machine, extras left out."""
    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return seen
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name and "extra ==" not in line and (found := name.group(0).lower()) not in seen:
            needed(found, seen | {found})
            seen |= {found} | needed(found, seen | {found})
    return seen


def test_nothing_heavy_is_needed() -> None:
    try:
        requires("ehrbench")
    except PackageNotFoundError:
        pytest.skip("ehrbench is not installed here, only importable")
    assert needed("ehrbench", set()).isdisjoint(HEAVY)


@pytest.mark.skipif("EHRBENCH_CORE_ENVIRONMENT" not in os.environ, reason="not the core environment of tox")
def test_torch_is_not_there() -> None:
    assert find_spec("torch") is None
    assert find_spec("transformers") is None
