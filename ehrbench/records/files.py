"""Files of one record each: those that need a parser, by the suffix of their names, and plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ehrbench.records.plain_text import text_record
from ehrbench.records.record import Record
from ehrbench.records.safe_xml import read_text
from ehrbench.registry import Registry

RecordFile = Callable[[Path, str, str], Record]
"""Takes the file, the record's id and the rendering; raises UsageError for an unknown rendering or a malformed file."""

RECORD_FILES: Registry[RecordFile] = Registry("record file")


def is_record_file(path: Path) -> bool:
    """Whether a file's name says that it is a record: plain text, or what has a parser; hidden ones are none."""
    return not path.name.startswith(".") and (path.suffix.lower() == ".txt" or _kind(path) in RECORD_FILES) and path.is_file()


def read_record_file(path: Path, record_id: str, rendering: str = "raw") -> Record:
    """Read a record with the parser for its name, or as plain text where there is none.

    Raises:
        UsageError: the parser does not know the rendering, or the file is malformed.
    """
    if (kind := _kind(path)) in RECORD_FILES:
        return RECORD_FILES.get(kind)(path, record_id, rendering)
    return text_record(record_id, read_text(path, "the record"))


def _kind(path: Path) -> str:
    return path.suffix.lower().lstrip(".")
