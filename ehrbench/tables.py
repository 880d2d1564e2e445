"""Tables as CSV that any spreadsheet opens and none runs."""

from __future__ import annotations

import csv
import io
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


def _cell(value: object) -> object:
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text
    return None if value != value else value
