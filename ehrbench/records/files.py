"""Record files that need a parser, by the suffix of their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ehrbench.records.record import Record
from ehrbench.registry import Registry

RecordFile = Callable[[Path, str, str], Record]
"""Takes the file, the record's id and the rendering; raises UsageError for an unknown rendering or a malformed file."""

RECORD_FILES: Registry[RecordFile] = Registry("record file")
