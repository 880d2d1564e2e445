"""Records of plain text: paragraphs as entries, dated where a paragraph begins with a date."""

from __future__ import annotations

import re

from ehrbench.records.chart_time import parse_time
from ehrbench.records.record import Entry, Record

_DATE = r"(?:\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/(?:\d{4}|\d{2}))(?:[ T]+\d{1,2}:\d{2}(?::\d{2})?(?:\s*[AaPp][Mm]\b)?)?"
_LEADING_DATE = re.compile(rf"[\s\[(#*-]*({_DATE})")
_PIECE = re.compile(rf"(?:(?!\n[ \t]*\n|\n[\[(#*-]*{_DATE})[\s\S])+")


def text_record(record_id: str, text: str) -> Record:
    """A record of any text.

    An entry is what stands between blank lines; a line that begins with a date (ISO, or month/day/year) begins a new one and
    dates it. An entry without a date has no time. The text is kept as it is.
    """
    entries = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if not (stripped := piece.strip()):
            continue
        start = match.start() + piece.index(stripped[0])
        date = _LEADING_DATE.match(stripped)
        entries.append(Entry(start, start + len(stripped), parse_time(date[1]) if date else None, "text"))
    return Record(record_id, text, entries)
