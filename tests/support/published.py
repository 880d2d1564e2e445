"""What lies below a folder, as anybody could read it: a packed file is unpacked, so that nothing private hides in it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def contents(paths: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    """The bytes of each file, and of each member of a zip archive; folders are passed over."""
    for path in paths:
        if path.is_file():
            yield path, path.read_bytes()
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as packed:
                    for name in packed.namelist():
                        yield path / name, packed.read(name)


def text_below(folder: Path) -> str:
    """All text below a folder, in the order of the files' names."""
    return " ".join(content.decode("utf-8", "replace") for _, content in contents(sorted(folder.rglob("*"))))
