"""A table in the place of a release's file: what ``save_to_disk`` wrote, Parquet or Arrow, of the rows that the file has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ehrbench.readers.hf.rows import open_files, open_saved

_SAVED = ("state.json", "dataset_dict.json")
"""What ``save_to_disk`` writes beside the rows of a set, or of several splits."""
_FORMS = (".parquet", ".arrow")
_SHARD = re.compile(r"-(\d+)-of-\d+$")


def is_saved(folder: Path) -> bool:
    """Whether ``save_to_disk`` wrote a folder."""
    return any((folder / name).is_file() for name in _SAVED)


def is_table(path: Path) -> bool:
    """Whether a place of a release's file is a table."""
    return path.suffix in _FORMS or is_saved(path)


def stem_of(path: Path) -> str:
    """The name of a release's file or of the table in its place, without ending and number of a part."""
    return _SHARD.sub("", path.name if path.is_dir() else path.stem)


def find_table(folder: Path, stem: str) -> Path | None:
    """The table in the place of ``STEM.json`` or ``STEM.jsonl``, found by its name alone.

    Args:
        folder: where the file would be.
        stem: its name without the ending.

    Returns:
        A folder ``STEM`` that ``save_to_disk`` wrote, or ``STEM.parquet``, ``STEM.arrow`` or the first of their parts
        (``STEM-00000-of-00002.parquet``).
    """
    if is_saved(folder / stem):
        return folder / stem
    for form in _FORMS:
        if (folder / f"{stem}{form}").is_file():
            return folder / f"{stem}{form}"
        if parts := sorted(folder.glob(f"{stem}-*-of-*{form}")):
            return parts[0]
    return None


def table_files(path: Path) -> list[Path]:
    """Every file of a table, in the order of its parts."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if _SHARD.search(path.stem) is None:
        return [path]
    return sorted(path.parent.glob(f"{stem_of(path)}-*-of-*{path.suffix}"))


def open_table(path: Path) -> Any:
    """A table as ``datasets`` opens it; of several splits, all of them one after another.

    Raises:
        MissingError: datasets is not installed, or a part is not there.
        UsageError: it cannot be read.
    """
    return open_saved(path, None, whole=True) if path.is_dir() else open_files(table_files(path), streaming=False)


def rows_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of rows, the same for the same rows in another form."""
    digest = sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def without_nulls(value: Any) -> Any:
    """Plain data without keys whose value is null: a table has every key in every row, a file only those with a value."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value
