"""Writing a site: only files whose text changed are written, and what no build made is never touched."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError

MARKER = ".ehrbench-site"
NOT_FOUND = "404.html"
PLAIN = ".nojekyll"
"""Tells GitHub to serve the folder as it is."""
ZIPPED = ".zip"
ENDINGS = (".html", ".json", ".csv", ".svg", ".png", ".txt", ".xml", ZIPPED)


class Written(NamedTuple):
    """What was done to the folder."""

    n_changed: int
    n_removed: int
    n_bytes: int
    """Of all files, also those that were there."""


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


def to_bytes(name: str, text: str) -> bytes:
    """What a file of the site holds: its text, in an archive of one member where its name says so, which notes no date."""
    data = text.encode("utf-8")
    if not name.endswith(ZIPPED):
        return data
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        member = zipfile.ZipInfo(Path(name).stem, date_time=(1980, 1, 1, 0, 0, 0))
        member.create_system, member.external_attr = 3, 0o644 << 16
        packed.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    return archive.getvalue()


def read_text(path: Path) -> str:
    """The text of a file of a site, out of its archive where it is in one.

    Raises:
        ValueError: an archive that no build made.
    """
    if path.suffix != ZIPPED:
        return path.read_text(encoding="utf-8", errors="replace")
    try:
        with zipfile.ZipFile(path) as packed:
            if packed.namelist() != [path.stem] or packed.comment:
                raise ValueError("it does not hold the one file of its name")
            return packed.read(path.stem).decode("utf-8", errors="replace")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(str(error)) from None


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
    changed = n_bytes = 0
    made: set[Path] = set()
    names = {*texts, *pictures}
    for name in sorted(names, key=lambda name: (name == "index.html", name)):
        data = pictures[name] if name in pictures else to_bytes(name, texts[name])
        n_bytes += len(data)
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
    return Written(changed, removed, n_bytes)


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
