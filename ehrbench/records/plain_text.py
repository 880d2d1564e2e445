"""Records of plain text: paragraphs as entries, dated where a paragraph begins with a date."""

from __future__ import annotations

import re

from ehrbench.records.chart_time import parse_time
from ehrbench.records.record import Entry, Record

_DATE = r"(?:\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/(?:\d{4}|\d{2}))(?:[ T]+\d{1,2}:\d{2}(?::\d{2})?(?:\s*[AaPp][Mm]\b)?)?"
_LEADING_DATE = re.compile(rf"[\s\[(#*-]*({_DATE})")
_BREAK = re.compile(rf"\n(?=[ \t]*\n|[\[(#*-]*{_DATE})")
"""The end of a line before a blank line, or before one that begins with a date."""


def text_record(record_id: str, text: str) -> Record:
    """A record of any text.

    An entry is what stands between blank lines; a line that begins with a date (ISO, or month/day/year) begins a new one and
    dates it. An entry without a date has no time. The text is kept as it is.
    """
    entries = []
    at = 0
    for end in [*(found.start() for found in _BREAK.finditer(text)), len(text)]:
        piece = text[at:end]
        if stripped := piece.strip():
            start = at + piece.index(stripped[0])
            date = _LEADING_DATE.match(stripped)
            entries.append(Entry(start, start + len(stripped), parse_time(date[1]) if date else None, "text"))
        at = end + 1
    return Record(record_id, text, entries)
