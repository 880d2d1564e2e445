"""Content hashes: of text, of files and of plain data, the same on every machine."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

STILL_SECONDS = 2.0
"""A file that changed more recently is hashed anew: it may change again within one tick of the file system's clock."""


def hash_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hash_data(data: object) -> str:
    """SHA-256 of plain data (what JSON can hold), independent of the order of keys."""
    return hash_text(json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes; read once per process, for as long as size, times and inode stay the same."""
    state = path.stat()
    if time.time() - max(state.st_mtime, state.st_ctime) < STILL_SECONDS:
        return _hash_bytes(path)
    return _remembered(path.resolve(), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=4096)
def _remembered(path: Path, *state: int) -> str:
    return _hash_bytes(path)


def _hash_bytes(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_files(root: Path, paths: Iterable[Path]) -> str:
    """SHA-256 over several files: their places below ``root`` and their bytes, in the order of their places."""
    return hash_data(sorted((path.relative_to(root).as_posix(), hash_file(path)) for path in paths))
