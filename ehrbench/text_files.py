"""What a text file is, where it is not what was expected: its encoding, the separator of a table, a decimal comma."""

from __future__ import annotations

import codecs
import csv
import re
from typing import TextIO

SEPARATORS = ("\t", ",", ";", "|")
"""In the order of preference: a release's, then those of spreadsheets."""
_LOOKED_AT = 4096
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAID = re.compile(r"""["']?sep=([\t,;|])["']?\s*\Z""", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def is_utf16(data: bytes) -> bool:
    """Whether a file's first bytes are those of UTF-16: its mark, or a NUL in nearly every second place, as in Latin text."""
    if data.startswith(_MARKS):
        return True
    head = data[:_LOOKED_AT]
    half = len(head) // 2
    return half > 1 and any(head[first::2].count(0) > 0.8 * half and not head[1 - first :: 2].count(0) for first in (0, 1))


def not_utf8(data: bytes) -> str:
    """What is wrong with bytes that are not UTF-8, and what to do; goes on after the name of the file."""
    if is_utf16(data):
        return "is UTF-16 text, and UTF-8 is needed; save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW"
    return "is not UTF-8 text; convert the file to UTF-8"


def separator_of(header: str) -> str:
    """The separator of a table: the one that stands in its header most often outside quotation marks; a comma where none does."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=bare.count) if any(map(bare.count, SEPARATORS)) else ","


def csv_rows(file: TextIO, *, strict: bool = False) -> csv.DictReader[str]:
    """Rows of a table whose separator its header tells.

    Args:
        file: opened with ``newline=""``, at its start.
        strict: raise ``csv.Error`` at quotation marks that do not match.
    """
    separator = separator_of(file.readline())
    file.seek(0)
    return csv.DictReader(file, delimiter=separator, strict=strict)


def said_separator(line: str) -> str | None:
    """The separator that a first line ``sep=;`` says, as Excel writes it; else None."""
    said = _SAID.match(line)
    return said[1] if said else None


def is_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number with a comma for its decimal point."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None
