"""Tables as plain text that fits into the terminal: long names are broken, and where that is not enough, rows become lists."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest

_GAP = "  "
_NARROWEST = 12
"""Columns of names are broken no narrower."""
_PIECES = re.compile(r"[^\s./_,:=-]*[\s./_,:=-]*")
"""Names break after their signs: suite.category.name, a-model-of-7b, key=value."""


def terminal_width() -> int | None:
    """Columns of the terminal; None where output goes to a file or another program, which get lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = (), width: int | None = None
) -> Iterator[str]:
    """A table with aligned columns.

    Args:
        header: one name a column.
        rows: cells; None prints as an empty cell.
        numbers: indices of the columns that are aligned to the right and never broken.
        width: of the terminal in characters; None: no limit.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    natural = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(header)]
    widths = natural if width is None else _fitted(natural, numbers, width)
    if widths is None:
        yield from _lists(header, cells, width or 0)
        return

    def lines(row: Sequence[str]) -> Iterator[str]:
        for parts in zip_longest(*(_broken(cell, w) for cell, w in zip(row, widths, strict=True)), fillvalue=""):
            pairs = enumerate(zip(parts, widths, strict=True))
            yield _GAP.join(part.rjust(w) if i in numbers else part.ljust(w) for i, (part, w) in pairs).rstrip()

    yield from lines(header)
    yield _GAP.join("-" * w for w in widths).rstrip()
    for row in cells:
        yield from lines(row)


def _fitted(natural: Sequence[int], numbers: Sequence[int], width: int) -> list[int] | None:
    """Widths that fit: the widest columns of names give way first; None where that is not enough."""
    room = width - len(_GAP) * (len(natural) - 1)
    for most in range(max(*natural, _NARROWEST), _NARROWEST - 1, -1):
        widths = [own if i in numbers else min(own, most) for i, own in enumerate(natural)]
        if sum(widths) <= room:
            return widths
    return None


def _broken(text: str, width: int) -> list[str]:
    """A text in lines of at most so many characters."""
    if len(text) <= width:
        return [text]
    lines = [""]
    for piece in _PIECES.findall(text):
        if len((lines[-1] + piece).rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.rstrip() for line in lines if line.strip()]


def _lists(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Each row as a list of name and cell, for terminals that are too narrow for a table."""
    names = max((len(name) for name in header), default=0)
    room = max(width - names - len(_GAP), _NARROWEST)
    for number, row in enumerate(rows):
        if number:
            yield ""
        for name, cell in zip(header, row, strict=True):
            if cell:
                first, *others = _broken(cell, room)
                yield f"{name.ljust(names)}{_GAP}{first}".strip()
                yield from (" " * names + _GAP + line for line in others)
