"""Looking at a checkpoint's weight files before anything loads them: a pointer or a torn copy is named, not guessed at."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError

_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors format."""
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"


def is_git_lfs_pointer(content: bytes) -> bool:
    """Whether a file's first bytes are those of a Git LFS pointer, which stands in the place of the file itself."""
    return content.startswith(_POINTER)


def require_whole(path: Path) -> None:
    """Check that a weight file is what its name says and has all of its bytes; reads its header alone.

    Raises:
        MissingError: it is a Git LFS pointer, it is empty or it was cut short.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(64)
    if is_git_lfs_pointer(begin):
        raise MissingError(
            f"{path} is a Git LFS pointer of {size} bytes, not the weights: run `git lfs pull` in the repository it came from, "
            "or fetch the file with `hf download`"
        )
    if not size:
        raise _torn(path, "is empty")
    if path.suffix == ".safetensors":
        _require_whole_safetensors(path, size)
    elif begin.startswith(_ZIP):
        # A zip archive's table of contents stands at its end.
        if not zipfile.is_zipfile(path):
            raise _torn(path, f"ends after {size:,} bytes, before its table of contents")
    elif not begin.startswith(_PICKLE):
        raise _torn(path, "is not a file that torch.save wrote")


def safetensors_header(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file by name, each with ``dtype``, ``shape`` and ``data_offsets``.

    Raises:
        MissingError: the header cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            if not 2 <= length <= min(_LONGEST_HEADER, path.stat().st_size - 8):
                raise ValueError
            header = json.loads(file.read(length))
            return {name: entry for name, entry in header.items() if name != "__metadata__"}
        except (ValueError, AttributeError, RecursionError):
            raise _torn(path, "has no safetensors header") from None


def _require_whole_safetensors(path: Path, size: int) -> None:
    header = safetensors_header(path)
    try:
        data = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (KeyError, IndexError, TypeError, ValueError):
        raise _torn(path, "has a safetensors header that cannot be read") from None
    with path.open("rb") as file:
        expected = 8 + int.from_bytes(file.read(8), "little") + data
    if size < expected:
        raise _torn(path, f"has {size:,} of its {expected:,} bytes")


def _torn(path: Path, what: str) -> MissingError:
    return MissingError(f"{path} {what}: the copy is not complete; copy or fetch it again")
