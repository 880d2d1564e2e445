"""Where ehrbench keeps what outlives a run: approvals and caches."""

from __future__ import annotations

import os
from pathlib import Path


def home_dir() -> Path:
    """``$EHRBENCH_HOME``, else ``~/.ehrbench``; made on first use, readable by its owner only."""
    folder = Path(os.environ.get("EHRBENCH_HOME") or Path.home() / ".ehrbench")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
