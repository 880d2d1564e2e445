"""MedAlign's records without markup: one dated line per event.

An ablation, not a protocol: it says how much of a window the XML takes. Dropped are care sites, providers, ages (they follow from
the birth date) and repetitions of the same person block.
"""

from __future__ import annotations

import re
from pathlib import Path

from ehrbench.records.chart_time import parse_time
from ehrbench.records.record import Entry
from ehrbench.records.safe_xml import Attributes, ElementScanner
from ehrbench.suites.medalign.records.elements import CONTAINERS, kind_of, time_of

_DROPPED = frozenset({"caresites", "providers", "age"})
_AGE = re.compile(r"Age in (?:Days|Years):\s*\d+\s*")
_EMPTY = frozenset({"", "NULL", "null", "None"})


class _Compactor:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.entries: list[Entry] = []
        self._length = 0
        self._path: list[tuple[str, Attributes]] = []
        self._when: list[str | None] = [None]
        self._text: list[str] = []
        self._person: list[str] = []
        self._last_person = ""

    def start(self, tag: str, attributes: Attributes) -> None:
        self._path.append((tag, attributes))
        self._when.append(time_of(attributes) or self._when[-1])
        self._text.clear()

    def characters(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = " ".join("".join(self._text).split())
        self._text.clear()
        written = self._when.pop()
        _, attributes = self._path.pop()
        tags = [name for name, _ in self._path]
        if tag in CONTAINERS or tag == "entry" or tag in _DROPPED or not _DROPPED.isdisjoint(tags):
            return
        if tag == "person" or "person" in tags:
            self._person_part(tag, text)
            return
        if tag == "code" and self._path:
            kind = kind_of(*self._path[-1])
        else:
            kind, text = kind_of(tag, attributes), self._event(tag, attributes, text)
        if text:
            self._line(written, kind, text)

    def _event(self, tag: str, attributes: Attributes, text: str) -> str:
        def known(key: str) -> str:
            value = attributes.get(key, "").strip()
            return "" if value in _EMPTY else value

        text = "" if text in _EMPTY else text
        if tag == "note":  # the sample dialect, where a note's type is its name
            return f"({known('type')}) {text}" if known("type") and text else text
        code = known("code")
        parts = [known("name"), f"[{code}]" if code else "", text, known("unit")]
        return " ".join(part for part in parts if part)

    def _person_part(self, tag: str, text: str) -> None:
        if tag != "person":
            if text not in _EMPTY:
                self._person.append(f"{tag}: {text}")
            return
        if text := _AGE.sub("", text).strip():
            self._person.append(text)
        person = "; ".join(self._person)
        self._person.clear()
        if person and person != self._last_person:
            self._last_person = person
            self._line(None, "person", person)

    def _line(self, written: str | None, kind: str, text: str) -> None:
        when = parse_time(written)
        line = f"{when:%Y-%m-%d %H:%M} {kind}: {text}" if when else f"{kind}: {text}"
        self.entries.append(Entry(self._length, self._length + len(line), when, kind))
        self.lines.append(line)
        self._length += len(line) + 1


def compact(text: str, path: Path) -> tuple[str, list[Entry]]:
    """The lines of a record and where each is; ``path`` is for messages."""
    compactor = _Compactor()
    ElementScanner(text, path).walk(compactor.start, compactor.end, compactor.characters)
    return "\n".join(compactor.lines), compactor.entries
