"""Whether private text or an identifier stands in what is to be published: eight words in a row, or an id.

The sources are runs' private parts and the data. The site is small and they may be large: the site's word runs and tokens are
held, the sources are streamed past them.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, NamedTuple

from ehrbench.jsonl import parse

RUN = 8
"""Words in a row that count as quoted."""
_MIN_WORDS = 4
"""Of them, how many must have letters: rows of numbers meet by chance."""
_MIN_ID = 5
"""Shortest id that is looked for: shorter ones are numbers like any other."""
_WORD = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*[A-Za-z0-9]")
_KINDS = "subject|person|patient|hadm|stay|icustay|instruction|note|visit|encounter|item|mrn"
_ID_COLUMN = re.compile(rf"^(?:.*_)?(?:{_KINDS})s?_?(?:id)?$", re.IGNORECASE)
_ID_PAIR = re.compile(rf"\b(?:{_KINDS})_?id[\"']?\s*[=:]\s*[\"']?([A-Za-z0-9_-]{{5,}})", re.IGNORECASE)
_TEXT_ENDINGS = (".xml", ".tsv", ".csv", ".json", ".jsonl", ".ndjson", ".txt", ".md", ".html")
_UNREAD_ENDINGS = (".parquet", ".zip", ".pkl", ".db", ".sqlite", ".duckdb", ".arrow", ".feather")
_NUMBERS = frozenset({"data-v", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "viewbox", "width", "height", "content"})


class Finding(NamedTuple):
    """Something that keeps a site, or a submission, from being published."""

    place: str
    """File and line."""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class _Place(NamedTuple):
    name: str
    line: int


class SiteText:
    """The words and tokens of a site, with the places where they stand."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """Read every page and download; numbers that the site draws or sorts by are left out."""
        self._runs: dict[int, _Place] = {}
        self.words: set[str] = set()
        self.tokens: dict[str, _Place] = {}
        self._seen: set[str] = set()
        for name, text in sorted(files.items(), key=lambda item: (not item[0].endswith(".html"), item[0])):
            for token in _TOKEN.findall(name):
                self._add_token(token, _Place(name, 0))
            for line, piece in _pieces(name, text):
                self._add(piece, _Place(name, line))

    def _add(self, text: str, place: _Place) -> None:
        if text in self._seen:
            return
        self._seen.add(text)
        words = _words(text)
        self.words.update(words)
        for k in range(len(words) - RUN + 1):
            run = words[k : k + RUN]
            if _tells(run):
                self._runs.setdefault(hash(tuple(run)), place)
        for token in _TOKEN.findall(text):
            self._add_token(token, place)

    def _add_token(self, token: str, place: _Place) -> None:
        if len(token) < _MIN_ID or not _DIGIT.search(token):
            return
        for part in (token, *re.split(r"[_-]", token)):
            if len(part) >= _MIN_ID and _DIGIT.search(part):
                self.tokens.setdefault(part.lower(), place)

    def quoted(self, text: str) -> _Place | None:
        """Where the site has eight words in a row of ``text``; None when nowhere."""
        known = self.words
        run: list[str] = []
        for word in _words(text):
            if word not in known:
                run.clear()
                continue
            run.append(word)
            if len(run) >= RUN:
                place = self._runs.get(hash(tuple(run[-RUN:])))
                if place is not None and _tells(run[-RUN:]):
                    return place
        return None

    def names(self, identifier: str) -> _Place | None:
        """Where the site has the identifier; None when nowhere, or when it is too short to tell."""
        if len(identifier) < _MIN_ID or not any(c.isdigit() for c in identifier):
            return None
        return self.tokens.get(identifier.lower())


def private_files(folders: Iterable[Path]) -> list[Path]:
    """The private parts of the runs below the folders."""
    return sorted({path.resolve() for folder in folders for path in folder.rglob("private/*.jsonl")})


def private_leaks(site: SiteText, paths: Iterable[Path]) -> Iterator[Finding]:
    """Leaks from private parts of runs."""
    for path in paths:
        yield from _once(_jsonl_leaks(site, path))


def data_leaks(site: SiteText, folder: Path) -> Iterator[Finding]:
    """Leaks from a data folder: records, golds and questions in text files, and the columns and file names that identify.

    Formats that are not text are named, since they were not looked into.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.name.lower().removesuffix(".gz")
        if name.endswith(_UNREAD_ENDINGS):
            yield Finding(str(path), "cannot be searched for leaks: give a folder with text files instead")
            continue
        for token in re.findall(r"[A-Za-z0-9]+", path.stem):
            if token.isdigit() and (place := site.names(token)) is not None:
                yield _finding(place, "holds an identifier, which is also the name of a file of the data")
                break
        if name.endswith(_TEXT_ENDINGS):
            yield from _once(_text_leaks(site, path, name))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first few findings of a file: one leak is enough to refuse."""
    for k, finding in enumerate(findings):
        if k == 5:
            return
        yield finding


def _jsonl_leaks(site: SiteText, path: Path) -> Iterator[Finding]:
    where = f"{path.parent.parent.name}/private/{path.name}"
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                row = parse(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("item"), str) and (place := site.names(row["item"])) is not None:
                yield _finding(place, f"holds the id of the item in {where}, line {number}")
            for text in _strings(row):
                if (place := site.quoted(text)) is not None:
                    yield _finding(place, f"quotes {RUN} or more words of {where}, line {number}")


def _text_leaks(site: SiteText, path: Path, name: str) -> Iterator[Finding]:
    markup = name.endswith((".xml", ".html"))
    columns: list[int] = []
    delimiter = "\t" if name.endswith(".tsv") else ","
    table = name.endswith((".csv", ".tsv"))
    carried = ""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if table and number == 1:
                header = next(csv.reader([line], delimiter=delimiter), [])
                columns = [k for k, column in enumerate(header) if _ID_COLUMN.match(column.strip())]
            elif columns:
                cells = next(csv.reader([line.replace("\0", "")], delimiter=delimiter), [])
                for k in columns:
                    if k < len(cells) and (place := site.names(cells[k].strip())) is not None:
                        yield _finding(place, f"holds an identifier of {path.name}, line {number}")
            for identifier in _ID_PAIR.findall(line):
                if (place := site.names(identifier)) is not None:
                    yield _finding(place, f"holds an identifier of {path.name}, line {number}")
            text = carried + (re.sub(r"<[^>]*>", " ", line) if markup else line.replace("\\n", " "))
            if (place := site.quoted(text)) is not None:
                yield _finding(place, f"quotes {RUN} or more words of {path.name}, line {number}")
                carried = ""
            else:
                # A quotation may run over the end of a line.
                carried = " ".join(text[-200:].split()[-RUN:]) + " "


def _open(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


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


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _tells(run: list[str]) -> bool:
    return sum(not word.isdigit() and len(word) > 1 for word in run) >= _MIN_WORDS


def _finding(place: _Place, message: str) -> Finding:
    return Finding(f"{place.name}:{place.line}" if place.line else place.name, message)
