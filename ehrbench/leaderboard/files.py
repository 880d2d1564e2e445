"""Writing a site: only files whose text changed are written, and what no build made is never touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
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


class Draft(MutableMapping[str, str]):
    """A site's files while it is made: kept on disk, since a large site is larger than a small machine's memory."""

    def __init__(self, folder: Path) -> None:
        """Begin in an empty folder."""
        self._folder = folder
        self._places: dict[str, Path] = {}

    def __getitem__(self, name: str) -> str:
        return self._places[name].read_bytes().decode("utf-8")

    def __setitem__(self, name: str, text: str) -> None:
        place = self._places.setdefault(name, self._folder / str(len(self._places)))
        place.write_bytes(text.encode("utf-8"))

    def __delitem__(self, name: str) -> None:
        self._places.pop(name).unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._places))

    def __len__(self) -> int:
        return len(self._places)

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(place.stat().st_size for place in self._places.values())


def may_replace(out: Path) -> None:
    """Refuse a place that holds something else; raises UsageError."""
    if out.is_symlink():
        raise UsageError(f"{out} is a link; name the folder itself with --out")
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the site with --out")
    if any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"{out} is not empty and not a site that ehrbench made: name another folder with --out, or empty it")


def write_site(out: Path, texts: Mapping[str, str], pictures: Mapping[str, bytes]) -> Written:
    """Make the folder hold exactly these files.

    Each file appears whole or not at all. The first page is written last, so that it never leads to a page that is not there yet;
    pages that are gone are removed after it. An interrupted build is finished by the next one.
    """
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / MARKER, b"This folder is replaced by each build.\n")
    changed = 0
    made: set[Path] = set()
    names = {*texts, *pictures}
    for name in sorted(names, key=lambda name: (name == "index.html", name)):
        data = pictures[name] if name in pictures else texts[name].encode("utf-8")
        path = out / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        changed += _replace(path, data)
    removed = 0
    for root, folders, there in os.walk(out, topdown=False):
        for name in there:
            path = Path(root, name)
            if path.relative_to(out).as_posix() not in names and name != MARKER:
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
