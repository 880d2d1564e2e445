"""Where ehrbench keeps what outlives a run: approvals and caches."""

from __future__ import annotations

import os
from pathlib import Path

from ehrbench.errors import UsageError


def home_dir() -> Path:
    r"""The folder, made on first use and readable by its owner only.

    It is ``$EHRBENCH_HOME``, else ``~/.ehrbench`` where an earlier version has made it, else the place that the operating
    system has for a program's data: ``~/.local/share/ehrbench`` on Linux, ``~/Library/Application Support/ehrbench`` on
    macOS, ``AppData\Local\ehrbench`` on Windows.
    """
    folder = Path(named) if (named := os.environ.get("EHRBENCH_HOME")) else _usual()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder {folder}, where ehrbench keeps approvals and caches, cannot be made ({error.strerror}); "
            "set EHRBENCH_HOME to a folder that can be written"
        ) from None
    return folder


def _usual() -> Path:
    earlier = Path.home() / ".ehrbench"
    if earlier.is_dir():
        return earlier
    from platformdirs import user_data_path

    return user_data_path("ehrbench", appauthor=False)
