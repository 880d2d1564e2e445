"""Reading an untrusted XML file: as text, and as a stream of elements with their places in that text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ehrbench.errors import MissingError, UsageError
from ehrbench.text_files import is_utf16, not_utf8

if TYPE_CHECKING:
    from xml.parsers.expat import XMLParserType

_TAG = re.compile(rb"""<[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""")

MAX_DEPTH = 1_000
"""Of elements in one another: a walk that looks at an element's parents takes longer with each."""

Attributes = dict[str, str]


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file, without a byte order mark and with newlines for every line end, as Python's text mode reads it.

    Args:
        path: the file.
        what: what the file is, for messages ("the record").

    Raises:
        MissingError: there is no such file.
        UsageError: the file cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{what} {path} is not there") from None
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be read ({error.strerror})") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: {what} {not_utf8(data)}") from None
    if "\0" in text[:2] and is_utf16(data):  # without its mark it can pass for UTF-8
        raise UsageError(f"{path}:1: {what} {not_utf8(data)}")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


class ElementScanner:
    """Walks the elements of a document and says where each begins and ends.

    No entity is expanded and nothing outside the document is read: a document that declares entities is refused before one
    is used, so neither an entity bomb nor an external entity can do harm.
    """

    def __init__(self, text: str, path: Path) -> None:
        self._data = text.encode("utf-8")
        self._path = path
        self._ascii = len(self._data) == len(text)
        self._byte = self._char = 0
        self._parser: XMLParserType

    def walk(
        self,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None],
        characters: Callable[[str], None] | None = None,
    ) -> None:
        """Call ``start`` and ``end`` at each element (and ``characters`` for text between) in document order.

        Raises:
            UsageError: the document is not well-formed or declares entities; the message names the file and the line.
        """
        from xml.parsers import expat

        # The text is already decoded: an encoding that the document declares for its file no longer holds.
        parser = self._parser = expat.ParserCreate("utf-8")
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.buffer_text = True
        depth = 0

        def deeper(tag: str, attributes: Attributes) -> None:
            nonlocal depth
            depth += 1
            if depth > MAX_DEPTH:
                raise UsageError(
                    f"{self._path}:{parser.CurrentLineNumber}: elements are nested more than {MAX_DEPTH} deep, "
                    "which no record's are; compare the file with the release"
                )
            start(tag, attributes)

        def back(tag: str) -> None:
            nonlocal depth
            depth -= 1
            end(tag)

        parser.StartElementHandler = deeper
        parser.EndElementHandler = back
        parser.CharacterDataHandler = characters
        parser.EntityDeclHandler = self._refuse_entity
        parser.ExternalEntityRefHandler = self._refuse_reference
        try:
            parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise UsageError(
                f"{self._path}:{error.lineno}: the record is not well-formed XML ({expat.ErrorString(error.code)}); "
                "compare the file with the release or fetch it again"
            ) from None

    def tag_start(self) -> int:
        """Offset, in characters, of the tag whose callback is running. Calls must not go backwards."""
        return self._to_char(self._parser.CurrentByteIndex)

    def tag_end(self) -> int:
        """Offset, in characters, after the tag whose callback is running. Calls must not go backwards."""
        index = self._parser.CurrentByteIndex
        match = _TAG.match(self._data, index)
        return self._to_char(match.end() if match else index)

    def _to_char(self, byte: int) -> int:
        if self._ascii:
            return byte
        self._char += len(self._data[self._byte : byte].decode("utf-8"))
        self._byte = byte
        return self._char

    def _refuse_entity(self, *_: object) -> None:
        raise UsageError(
            f"{self._path}:{self._parser.CurrentLineNumber}: the record declares XML entities, which no release does; "
            "they are refused because they can expand without bound or read other files"
        )

    def _refuse_reference(self, *_: object) -> int:
        self._refuse_entity()
        return 0
