"""Printing, shared by the commands: JSON for programs, plain tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer


def print_json(data: Any) -> None:
    """Print plain data as indented JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[int] = ()) -> None:
    """Print a table with aligned columns.

    Args:
        header: one name a column.
        rows: cells; None prints as an empty cell.
        numbers: indices of the columns that are aligned to the right.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(header)]

    def line(row: Sequence[str]) -> str:
        pairs = enumerate(zip(row, widths, strict=True))
        return "  ".join(cell.rjust(w) if i in numbers else cell.ljust(w) for i, (cell, w) in pairs).rstrip()

    typer.echo(line(header))
    typer.echo("  ".join("-" * width for width in widths))
    for row in cells:
        typer.echo(line(row))
