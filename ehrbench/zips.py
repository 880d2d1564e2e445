"""Zip files from elsewhere: a damaged one is named in one sentence, and none unpacks to more than was asked for."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ehrbench.errors import UsageError

UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, struct.error, UnicodeError, ValueError),
    *(NotImplementedError, RuntimeError),  # another way of packing; a password
)
"""How the library fails on a damaged or unusual file."""


@contextmanager
def open_zip(path: Path, again: str, whose: str = "") -> Iterator[zipfile.ZipFile]:
    """Open an archive; what fails while it is read is told of it.

    Args:
        path: the file.
        again: what to do about a damaged one ("download it again").
        whose: before the file's name, for the message.

    Raises:
        UsageError: it is not a whole zip file, or packed in a way that cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UNREADABLE:
        raise UsageError(f"{whose}{path} is not a whole zip file; {again}") from None


def read_member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member's content.

    Raises:
        UsageError: it has more than ``most`` bytes: a small file may be packed so that it fills the memory.
    """
    size = archive.getinfo(name).file_size
    if size > most:
        raise UsageError(f"{archive.filename}: {name} unpacks to {size:,} bytes, and {most:,} are the most that is read")
    return archive.read(name)
