"""Tables as CSV that any spreadsheet opens and none runs."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence


def to_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV text.

    A text that a spreadsheet would run as a formula is given a leading apostrophe; NaN becomes an empty cell; what not every
    reader takes within a cell is replaced: carriage returns by newlines, NUL by U+FFFD.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _runs(text: str) -> bool:
    """Whether a spreadsheet would run a text: it drops what cannot be seen before a sign, and takes a sign of any width."""
    if text.startswith("\t"):
        return True
    for char in text:
        if char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Zs"):
            continue
        return unicodedata.normalize("NFKC", char)[0] in "=+-@\u2212"
    return False


def _cell(value: object) -> object:
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
        return f"'{text}" if _runs(text) else text
    return None if value != value else value
