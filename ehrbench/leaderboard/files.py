"""Writing a site: only files whose text changed are written, and what no build made is never touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError

MARKER = ".ehrbench-site"
NOT_FOUND = "404.html"
PLAIN = ".nojekyll"
"""Tells GitHub to serve the folder as it is."""
ENDINGS = (".html", ".json", ".csv", ".svg", ".png", ".txt", ".xml")


class Written(NamedTuple):
    """What was done to the folder."""

    n_changed: int
    n_removed: int


def may_replace(out: Path) -> None:
    """Refuse a place that holds something else; raises UsageError."""
    if out.is_symlink():
        raise UsageError(f"{out} is a link; name the folder itself with --out")
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the site with --out")
    if any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"{out} is not empty and no site of ehrbench: name another folder with --out, or empty it")


def write_site(out: Path, files: Mapping[str, str | bytes]) -> Written:
    """Make the folder hold exactly these files.

    Each file appears whole or not at all. The first page is written last, so that it never leads to a page that is not there yet;
    pages that are gone are removed after it. An interrupted build is finished by the next one.
    """
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / MARKER, b"This folder is replaced by each build.\n")
    changed = 0
    made: set[Path] = set()
    for name in sorted(files, key=lambda name: (name == "index.html", name)):
        content = files[name]
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        path = out / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        changed += _replace(path, data)
    removed = 0
    for root, folders, names in os.walk(out, topdown=False):
        for name in names:
            path = Path(root, name)
            if path.relative_to(out).as_posix() not in files and name != MARKER:
                path.unlink()
                removed += 1
        for name in folders:
            folder = Path(root, name)
            if not folder.is_symlink() and not any(folder.iterdir()):
                folder.rmdir()
    return Written(changed, removed)


def _replace(path: Path, data: bytes) -> bool:
    """Write a file unless it holds the same bytes already."""
    try:
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    except OSError:
        pass
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
