"""Weight files without weights, for tests that load none; needs neither torch nor safetensors."""

from __future__ import annotations

import json
from pathlib import Path


def empty_safetensors(path: Path, note: str = "", header: dict[str, object] | None = None, data: bytes = b"") -> Path:
    """Write a valid safetensors file without tensors (or with those of ``header``); ``note`` makes its bytes its own."""
    content = json.dumps({"__metadata__": {"format": "pt", "note": note}, **(header or {})}).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + data)
    return path
