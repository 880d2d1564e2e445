"""EHR-R1's markdown rendering of a record, read back: its blocks as dated entries (EHR-Bench protocol page, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from ehrbench.records.record import Entry, Record

_HEADER = re.compile(r"^## (?P<name>[^\n\[]+) \[(?P<time>None|\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})\]$", re.MULTILINE)
PATIENT = "Patient Demographics"


def markdown_record(record_id: str, text: str) -> Record:
    """A record from its rendering; a block reaches to the next block's header."""
    return Record(record_id, text, list(_entries(text)))


def _entries(text: str) -> Iterator[Entry]:
    headers = list(_HEADER.finditer(text))
    for i, header in enumerate(headers):
        end = headers[i + 1].start() if i + 1 < len(headers) else len(text)
        time = None if header["time"] == "None" else datetime.strptime(header["time"], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
        yield Entry(header.start(), end, time, header["name"])


def split_patient_block(text: str) -> tuple[str, str]:
    """The patient block with what separates it from the rest, and the rest; their concatenation is the text.

    Truncation keeps the block: the model always knows age and sex (section 7, row 14).
    """
    first = next(_HEADER.finditer(text), None)
    if first is None or first["name"] != PATIENT or text[: first.start()].strip():
        return "", text
    second = _HEADER.search(text, first.end())
    cut = second.start() if second else len(text)
    return text[:cut], text[cut:]
