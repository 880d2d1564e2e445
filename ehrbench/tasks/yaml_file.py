"""Reads one YAML file into plain values, and remembers the line of every key.

The YAML of task files is a small, safe part of YAML 1.2: mappings, lists, text, numbers, ``true``/``false`` and ``null``.
``yes``, ``no``, ``on`` and ``off`` are words, as answers of medical questions are. Tags, anchors and aliases are refused: a tag
can name code, an alias can blow a small file up, and the files need neither.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.text_files import is_utf16, not_utf8

KeyPath = tuple[str | int, ...]
"""Where a value stands in a file: ``("data", "policy")``, ``("metrics", 0)``."""

MAX_BYTES = 4 << 20
MAX_DEPTH = 32

_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,24}|[0-9]{1,18}(\.[0-9]{0,24})?)([eE][-+]?[0-9]{1,3})?")


class Position(NamedTuple):
    """A line of a file."""

    file: Path
    line: int
    """Counted from 1."""

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}"


class TaskFileError(UsageError):
    """One or more faults in task files; the message has one line per fault."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class YamlFile:
    """A file's content as plain values."""

    path: Path
    value: Any
    """None for an empty file."""
    lines: Mapping[KeyPath, int]
    """Line of each mapping key and list entry, by its place."""

    def position(self, place: KeyPath = ()) -> Position:
        """The line of a place, or of the nearest place around it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return Position(self.path, self.lines.get(place, 1))


def shown(path: Path) -> str:
    """A path as messages show it: relative to the working folder where it lies below it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def read_yaml(path: Path) -> YamlFile:
    """Read one file.

    Raises:
        TaskFileError: the file cannot be read, is not YAML of the kind above, or gives a key twice; each
            problem names file and line.
    """
    text = _read_text(path)
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(path)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise TaskFileError([f"{Position(path, line)}: not valid YAML: {error.problem or 'malformed'}"]) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise TaskFileError([f"{Position(path, line)}: not valid YAML: a character that YAML does not allow"]) from None
    if builder.problems:
        raise TaskFileError(builder.problems)
    return YamlFile(path, builder.value, builder.lines)


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise TaskFileError([f"{shown(path)}: no such file"])
        if path.stat().st_size > MAX_BYTES:
            raise TaskFileError([f"{shown(path)}: larger than {MAX_BYTES >> 20} MiB, which no task file is"])
        data = path.read_bytes()
    except OSError as error:
        raise TaskFileError([f"{shown(path)}: cannot be read ({error.strerror})"]) from None
    if is_utf16(data):
        raise TaskFileError([f"{shown(path)}: the file {not_utf8(data)}"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TaskFileError([f"{Position(path, line)}: the file {not_utf8(data)}"]) from None


@dataclass
class _Open:
    """A mapping or list that is being filled."""

    value: dict[str, Any] | list[Any]
    key: str | None = None
    expects_value: bool = False


@dataclass
class _Builder:
    """Turns the parser's events into values, without recursion."""

    path: Path
    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)
    _place: list[str | int] = field(default_factory=list)
    _documents: int = 0

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                self._stop(line, "a second document ('---') begins; a task file has one")
        elif kind == "AliasEvent":
            self._stop(line, f"alias '*{event.anchor}' is not read; give shared keys under 'defaults:' or in an included file")
        elif kind == "ScalarEvent":
            self._check(event, line)
            self._scalar(event, line)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._check(event, line)
            new: dict[str, Any] | list[Any] = {} if kind == "MappingStartEvent" else []
            self._add(new, line)
            self._open.append(_Open(new))
            if len(self._open) > MAX_DEPTH:
                self._stop(line, f"nested more than {MAX_DEPTH} deep")
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._open.pop()
            self._close_value()

    def _check(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._stop(line, f"anchor '&{event.anchor}' is not read; give shared keys under 'defaults:' or in an included file")
        if event.tag is not None:
            self._stop(line, f"tag '{event.tag[:60]}' is not read; task files hold plain values only")

    def _scalar(self, event: Any, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and not top.expects_value:
            self._key(top, event.value, line)
        else:
            self._add(_plain(event.value) if event.implicit[0] else event.value, line)
            self._close_value()

    def _key(self, top: _Open, key: str, line: int) -> None:
        place = (*self._place, key)
        if key in top.value:
            self.problems.append(
                f"{Position(self.path, line)}: key '{key}' is given twice, first in line {self.lines.get(place, line)}"
            )
        top.key, top.expects_value = key, True
        self._place.append(key)
        self.lines[place] = line

    def _add(self, value: Any, line: int) -> None:
        if not self._open:
            self.value = value
            return
        top = self._open[-1]
        if isinstance(top.value, list):
            self._place.append(len(top.value))
            self.lines[tuple(self._place)] = line
            top.value.append(value)
        elif top.expects_value:
            top.value[str(top.key)] = value
        else:
            self._stop(line, "a key is a mapping or a list; keys are words")

    def _close_value(self) -> None:
        if self._open:
            self._place.pop()
            self._open[-1].expects_value = False

    def _stop(self, line: int, why: str) -> None:
        raise TaskFileError([*self.problems, f"{Position(self.path, line)}: {why}"])


def _plain(text: str) -> Any:
    """The value of an unquoted scalar: the core schema of YAML 1.2 for decimal numbers."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
