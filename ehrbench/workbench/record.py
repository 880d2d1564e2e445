"""A record for a browser: its entries in pages of a size that opens at once, readable, with what a model saw told apart."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from ehrbench.records.record import Record

PAGE_CHARACTERS = 24_000
RECORDS_HELD = 4
MOST_HITS = 200
_AROUND = 60
Span = tuple[int, int]

_TAG = re.compile(r"<!--.*?-->|<(/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*(/?)>", re.DOTALL)
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_NAMES = ("name", "display", "title", "label")
_BLANKS = re.compile(r"[ \t]*\n\s*\n+")


class Block(NamedTuple):
    """One entry, or a stretch of text that belongs to none."""

    number: int
    start: int
    end: int
    time: datetime | None
    kind: str


class Segment(NamedTuple):
    """A piece of a block that a model saw, or did not."""

    text: str
    seen: bool
    part: int | None
    """Which step of a refinement chain showed it, from 1; None where there is one step."""


class Page(NamedTuple):
    """Neighbouring blocks."""

    number: int
    blocks: Sequence[Block]

    @property
    def first(self) -> datetime | None:
        """The time of its first dated block."""
        return next((b.time for b in self.blocks if b.time), None)

    @property
    def last(self) -> datetime | None:
        """The time of its last dated block."""
        return next((b.time for b in reversed(self.blocks) if b.time), None)


class Hit(NamedTuple):
    """One place where a search found something."""

    page: int
    block: int
    time: datetime | None
    before: str
    found: str
    after: str


class Timeline:
    """One record, divided into blocks and pages."""

    def __init__(self, record: Record) -> None:
        """Divide; nothing is rendered yet."""
        self.record = record
        self.pages = list(_pages(_blocks(record)))
        self._starts = [page.blocks[0].start for page in self.pages]

    def page_at(self, offset: int) -> int:
        """The page that shows an offset."""
        return max(0, bisect_right(self._starts, offset) - 1)

    def segments(self, block: Block, shown: Sequence[Sequence[Span]] | None, readable: bool) -> list[Segment]:
        """A block's text, divided where what was shown begins and ends.

        Args:
            block: of this record.
            shown: the spans of each step; None: nothing is known, so nothing is told apart.
            readable: markup turned into lines; else the text as the model is given it.
        """
        text = self.record.text
        cuts: list[tuple[int, int, bool, int | None]] = []
        if shown is None:
            cuts.append((block.start, block.end, True, None))
        else:
            at = block.start
            many = len(shown) > 1
            spans = sorted((s, e, k + 1 if many else None) for k, step in enumerate(shown) for s, e in step)
            for start, end, part in spans:
                start, end = max(start, at), min(end, block.end)
                if start >= end:
                    continue
                if start > at:
                    cuts.append((at, start, False, None))
                cuts.append((start, end, True, part))
                at = end
            if at < block.end:
                cuts.append((at, block.end, False, None))
        turn: Callable[[str], str] = tidy if readable else str
        return [Segment(turned, seen, part) for s, e, seen, part in cuts if (turned := turn(text[s:e])).strip()]

    def search(self, words: str) -> list[Hit]:
        """Where some words stand, case aside; at most ``MOST_HITS``."""
        words = words.strip()
        hits: list[Hit] = []
        if not words:
            return hits
        text = self.record.text
        pattern = re.compile(r"\s+".join(map(re.escape, words.split())), re.IGNORECASE)
        for match in pattern.finditer(text):
            page = self.pages[self.page_at(match.start())]
            block = next((b for b in page.blocks if b.start <= match.start() < b.end), page.blocks[-1])
            before = tidy(text[max(block.start, match.start() - _AROUND) : match.start()])
            after = tidy(text[match.end() : min(block.end, match.end() + _AROUND)])
            hits.append(Hit(page.number, block.number, block.time, before[-_AROUND:], match[0], after[:_AROUND]))
            if len(hits) == MOST_HITS:
                break
        return hits

    def span_text(self) -> str:
        """From when to when, and how many entries."""
        times = [b.time for page in self.pages for b in page.blocks if b.time]
        n = len(self.record.entries)
        entries = f"{n:,} {'entry' if n == 1 else 'entries'}"
        if not times:
            return entries
        first, last = min(times).date(), max(times).date()
        return f"{entries}, {first}" if first == last else f"{entries}, {first} to {last}"


class Timelines:
    """The last few records that were looked at."""

    def __init__(self, load: Callable[[str], Record]) -> None:
        self._load = load
        self._held: OrderedDict[str, Timeline] = OrderedDict()
        self._lock = Lock()

    def get(self, record_id: str) -> Timeline:
        """One record, divided."""
        with self._lock:
            if record_id in self._held:
                self._held.move_to_end(record_id)
                return self._held[record_id]
        made = Timeline(self._load(record_id))
        with self._lock:
            self._held[record_id] = made
            while len(self._held) > RECORDS_HELD:
                self._held.popitem(last=False)
        return made


def tidy(text: str) -> str:
    """Markup as lines that a person reads: an element's name, its text, its unit. Text without markup stays as it is."""
    if "<" not in text:
        return html.unescape(text) if "&" in text else text
    out: list[str] = []
    ends: list[str] = []
    at = 0
    for tag in _TAG.finditer(text):
        out.append(html.unescape(text[at : tag.start()]))
        at = tag.end()
        closing, name, attributes, empty = tag[1], tag[2], tag[3] or "", tag[4]
        if name is None:
            continue
        if closing:
            out.append((ends.pop() if ends else "") + "\n")
            continue
        values = {key: html.unescape(a or b) for key, a, b in _ATTRIBUTE.findall(attributes)}
        title = next((values[key] for key in _NAMES if values.get(key)), "")
        unit = f" {values['unit']}" if values.get("unit") else ""
        if empty:
            out.append(f"\n{title}{unit}\n" if title else "")
        else:
            out.append(f"\n{title}: " if title else "" if attributes else f"\n{name}: ")
            ends.append(unit)
    out.append(html.unescape(text[at:]))
    joined = _BLANKS.sub("\n", "".join(out))
    return "\n".join(line for line in joined.split("\n") if not re.fullmatch(r"\s*(?:\w+:\s*)?(?:NULL)?\s*", line)).strip("\n")


def _blocks(record: Record) -> Iterator[Block]:
    at = number = 0
    for entry in record.entries:
        for start, end, time, kind in ((at, entry.start, None, ""), (entry.start, entry.end, entry.time, entry.kind)):
            if start >= end or (not kind and _only_markup(record.text, start, end)):
                continue
            for s, e in _pieces(record.text, start, end):
                yield Block(number, s, e, time, kind)
                number += 1
        at = entry.end
    if at < len(record.text) and not _only_markup(record.text, at, len(record.text)):
        for s, e in _pieces(record.text, at, len(record.text)):
            yield Block(number, s, e, None, "")
            number += 1


def _only_markup(text: str, start: int, end: int) -> bool:
    """Whether a stretch between entries holds nothing that a person would read; long ones are not looked through."""
    return end - start < PAGE_CHARACTERS and not tidy(text[start:end]).strip()


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """A stretch in pieces of a page each, cut after a line, else a word."""
    while end - start > PAGE_CHARACTERS:
        limit = start + PAGE_CHARACTERS
        cut = max(text.rfind("\n", start, limit), 0) or max(text.rfind(" ", start, limit), 0) or limit - 1
        yield start, cut + 1
        start = cut + 1
    yield start, end


def _pages(blocks: Iterator[Block]) -> Iterator[Page]:
    held: list[Block] = []
    size = number = 0
    for block in blocks:
        length = block.end - block.start
        if held and size + length > PAGE_CHARACTERS:
            yield Page(number, held)
            held, size, number = [], 0, number + 1
        held.append(block)
        size += length
    yield Page(number, held or [Block(0, 0, 0, None, "")])
