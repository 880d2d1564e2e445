"""MedAlign's records: both XML dialects, as text with dated entries.

- LUMIA, the release's: ``<eventstream><encounter>…<entry timestamp=…><event type=…>``. An entry of a record is one note, or one
  run of codes, of an ``<entry>``; the first of them takes the tag with the time along, the last the closing tag.
- The sample dialect of the paper's time: ``<record><visit><day><measurement start=…><code>``. An entry is a child of ``<day>``.

What else stands in an encounter or a day (person, care sites, providers) is an entry too, without a time of its own in LUMIA.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError, unknown_name
from ehrbench.records.chart_time import parse_time
from ehrbench.records.record import Entry, Record
from ehrbench.records.safe_xml import Attributes, ElementScanner, read_text
from ehrbench.suites.medalign.records.compact import compact
from ehrbench.suites.medalign.records.elements import CONTAINERS, kind_of, time_of

_ROOTS = frozenset({"record", "eventstream"})
_LANDMARKS = frozenset({"visit", "day", "encounter", "entry"})


class Outline(NamedTuple):
    """Where things are in a record's raw text."""

    entries: list[Entry]
    visits: list[tuple[int, int]]
    """Spans of the root's children: visits, or LUMIA's encounters."""


def outline(text: str, path: Path) -> Outline:
    """Find the entries and visits of a record.

    Raises:
        UsageError: the text is not well-formed XML, declares entities, or is of neither dialect.
    """
    scanner = ElementScanner(text, path)
    entries: list[Entry] = []
    visits: list[tuple[int, int]] = []
    depth = visit_start = piece_start = 0
    open_depth = 0  # depth of the element that holds the open piece; 0: none is open
    known = timed = False
    piece_kind = ""
    piece_time: datetime | None = None
    day_time: datetime | None = None

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal depth, visit_start, piece_start, open_depth, known, timed, piece_kind, piece_time, day_time
        depth += 1
        if open_depth:
            if timed and depth == open_depth + 1:
                kind = kind_of(tag, attributes)
                if not piece_kind:
                    piece_kind = kind
                elif kind == "note" or piece_kind == "note":
                    here = scanner.tag_start()
                    entries.append(Entry(piece_start, here, piece_time, piece_kind))
                    piece_start, piece_kind = here, kind
                elif kind != piece_kind:
                    piece_kind = "codes"
            return
        if tag in _LANDMARKS or (depth == 1 and tag in _ROOTS):
            known = True
        if depth == 2:
            visit_start = scanner.tag_start()
        if depth == 1 or tag in CONTAINERS:
            if tag in ("visit", "day"):
                day_time = parse_time(attributes.get("start"))
            return
        open_depth = depth
        piece_start = scanner.tag_start()
        timed = tag == "entry"
        piece_kind = "" if timed else kind_of(tag, attributes)
        written = time_of(attributes)
        piece_time = day_time if written is None else parse_time(written)

    def end(tag: str) -> None:
        nonlocal depth, open_depth
        if depth == open_depth:
            entries.append(Entry(piece_start, scanner.tag_end(), piece_time, piece_kind or tag))
            open_depth = 0
        if depth == 2:
            visits.append((visit_start, scanner.tag_end()))
        depth -= 1

    scanner.walk(start, end)
    if not known:
        raise UsageError(
            f"{path}: the file is XML but not a MedAlign record: expected <eventstream> with <encounter>s (the release's LUMIA) "
            "or <record> with <visit>s (the paper's sample)"
        )
    return Outline(entries, visits)


def _raw(text: str, path: Path) -> tuple[str, list[Entry]]:
    return text, outline(text, path).entries


def _visits(text: str, path: Path) -> tuple[str, list[Entry]]:
    entries, visits = outline(text, path)
    moved: list[Entry] = []
    length = position = 0
    for start, end in visits:
        while position < len(entries) and entries[position].start < end:
            entry = entries[position]
            moved.append(entry._replace(start=entry.start - start + length, end=entry.end - start + length))
            position += 1
        length += end - start + 1
    return "\n".join(text[start:end] for start, end in visits), moved


RENDERINGS: dict[str, Callable[[str, Path], tuple[str, list[Entry]]]] = {
    "raw": _raw,
    "visits": _visits,
    "compact": compact,
}
"""``raw``: the file's text, which HELM and the released data's users show a model. ``visits``: each visit (LUMIA: encounter)
without the wrapper around all, joined by newlines, as the paper did. ``compact``: one dated line per event, an ablation."""


def load_record(path: Path, record_id: str, rendering: str = "raw") -> Record:
    """Read one record file.

    Args:
        path: the XML file, of either dialect.
        record_id: the id that items know it by.
        rendering: one of ``RENDERINGS``.

    Raises:
        MissingError: there is no such file.
        UsageError: the file is not a record, or the rendering is unknown; the message names file and line, never text.
    """
    if rendering not in RENDERINGS:
        raise UsageError(unknown_name("rendering of a MedAlign record", rendering, RENDERINGS))
    text, entries = RENDERINGS[rendering](read_text(path, "the record"), path)
    return Record(record_id, text, entries)
