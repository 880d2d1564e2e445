"""torch and transformers, imported when a test first uses them: a module of tests is collected where they are absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class _Later:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


torch: Any = _Later("torch")
transformers: Any = _Later("transformers")
