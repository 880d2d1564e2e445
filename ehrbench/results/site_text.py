"""The words and tokens of what is to be published, with the places where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import NamedTuple

from ehrbench.jsonl import parse
from ehrbench.results.words import plain, public_text, public_words, words_of

MIN_ID = 5
"""Shortest identifier that is looked for: shorter ones are numbers like any other."""
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]")
_HASH = re.compile(r"(?=.*[a-f])[0-9a-f]{16,}")
_NUMBERS = frozenset({"data-v", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "viewbox", "width", "height", "content"})
_CITED = re.compile(r"\barxiv(?::\s?|\.org/\w+/)\d{4}\.\d{4,5}(?!\d)")
"""A paper's number, the second half of which is as long as an identifier."""
_OURS = frozenset({"10000"})
"""Numbers that results hold in words: the resamples of an interval."""


class Place(NamedTuple):
    """A line of a file; line 0: its name."""

    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


class SiteText:
    """What is to be published, ready to be compared with what is private."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """Read every page and download; numbers that the site draws or sorts by are left out."""
        self.vocabulary: set[str] = set()
        self.triples: set[tuple[str, str, str]] = set()
        """Every three words in a row."""
        self._tokens: dict[str, Place] = {}
        self._pieces: dict[str, Place] = {}
        """Each piece of text as words, with the place where it stands first."""
        seen: set[str] = set()
        for name in sorted(files, key=lambda name: (not name.endswith(".html"), name)):
            self._add_tokens(name, Place(name, 0))
            for line, piece in _pieces(name, files[name]):
                if piece not in seen:
                    seen.add(piece)
                    self._add(piece, Place(name, line))
        self._blob = "|".join(self._pieces)

    def _add(self, text: str, place: Place) -> None:
        words = words_of(text)
        self.vocabulary.update(words)
        self.triples.update(zip(words, words[1:], words[2:], strict=False))
        self._pieces.setdefault(f" {' '.join(words)} ", place)
        self._add_tokens(text, place)

    def _add_tokens(self, text: str, place: Place) -> None:
        for token in _TOKEN.findall(_CITED.sub(" ", plain(text))):
            for part in _parts(token):
                self._tokens.setdefault(part, place)

    def where(self, words: Sequence[str]) -> Place | None:
        """Where words stand in a row in one piece of text; None when nowhere."""
        phrase = f" {' '.join(words)} "
        if phrase not in self._blob:
            return None
        return next(place for piece, place in self._pieces.items() if phrase in piece)

    def names(self, identifier: str) -> Place | None:
        """Where an identifier stands, or a part of it that identifies; None when nowhere, or when it is too short to tell.

        An identifier of words alone (a file's or a group's name) counts where its words stand in a row, are not in anything
        that ships with ehrbench and have eight letters or more.
        """
        value = plain(identifier).strip()
        for part in _identifying(value):
            if part in self._tokens:
                return self._tokens[part]
        words = words_of(value)
        if len(words) > 12 or sum(map(len, words)) < 8 or not all(word in self.vocabulary for word in words):
            return None
        if any(char.isdigit() for char in value) and all(word.isdigit() or word in public_words() for word in words):
            return None
        return None if f" {' '.join(words)} " in public_text() else self.where(words)


def _parts(token: str) -> list[str]:
    """A token and those of its parts that may be an identifier: five characters or more, a digit among them."""
    if _HASH.fullmatch(token):
        return [token]
    found = dict.fromkeys([token, *re.split(r"[^a-z0-9]+", token), *re.findall(r"\d{6,}", token)])
    return [part for part in found if len(part) >= MIN_ID and any(char.isdigit() for char in part) and part not in _OURS]


def _identifying(value: str) -> list[str]:
    """An identifier and those of its parts that identify by themselves: ``10000032_2180-05-06`` names patient 10000032 too."""
    parts = _parts(value)
    return [part for part in parts if part == value or len(re.findall(r"\d", part)) >= MIN_ID and part not in public_words()]


def _pieces(name: str, text: str) -> Iterator[tuple[int, str]]:
    if name.endswith(".html"):
        yield from _HtmlText(text).pieces
    elif name.endswith(".json"):
        for line, content in enumerate(text.splitlines(), 1):
            for string in re.findall(r'"(?:[^"\\]|\\.)*"', content):
                yield line, parse(string)
    else:
        for line, content in enumerate(text.splitlines(), 1):
            yield line, re.sub(r"(?<![\w.-])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.-])", " ", content)


class _HtmlText(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[int, str]] = []
        self._skip = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skip += tag in ("script", "style")
        for name, value in attrs:
            if value and name.lower() not in _NUMBERS:
                self.pieces.append((self.getpos()[0], value))

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._skip and data.strip():
            self.pieces.append((self.getpos()[0], data))
