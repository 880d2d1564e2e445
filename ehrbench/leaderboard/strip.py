"""Strip charts: one dot with its interval for each model, the tie group shaded, drawn small enough for a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ehrbench.leaderboard.entries import RowKey
from ehrbench.leaderboard.standing import Standing
from ehrbench.leaderboard.svg import Markup, Part, Scale, dot, figure, line, padded, rect, text, tick_label, ticks, value_title
from ehrbench.leaderboard.tables import Cell
from ehrbench.leaderboard.text import number, pad, show

MAX_ROWS = 12
_WIDE = 360.0
_NAMES = 122.0
_RIGHT = 312.0
_STEP = 19.0
_TOP = 8.0


def strip_chart(standing: Standing, title: str, most: int = MAX_ROWS) -> Markup | None:
    """The first models of a standing; None where there is no number at all."""
    people = [(key, cell) for key, cell in standing.cells.items() if key.kind == "human" and cell.value is not None]
    rows = [(key, cell) for key, cell in standing.cells.items() if key.kind != "human" and cell.value is not None]
    n_all = len(rows)
    rows = rows[:most]
    if not rows:
        return None
    decimals = max(len(cell.text.partition(".")[2]) for _, cell in rows)
    rows = [(key, replace(cell, text=pad(cell.text, decimals))) for key, cell in rows]
    lines = [] if standing.majority is None else [("majority", standing.majority)]
    lines += [(show(key.name, 20), cell.value) for key, cell in people[:2] if cell.value is not None]
    low, high = padded([end for _, c in rows for end in (c.value, c.low, c.high) if end is not None] + [v for _, v in lines])
    scale = Scale(low, high, _NAMES + 8, _RIGHT)
    top = _TOP + (14 if lines else 0)
    bottom = top + len(rows) * _STEP + 2
    parts: list[Part] = []
    tied = _tied(standing, rows)
    if tied > 1:
        parts.append(rect(0, top - 1, _WIDE, tied * _STEP + 1, "tie", f"{tied} models that cannot be told from the first"))
    parts.append(line(scale.start, bottom, scale.end, bottom, "axis"))
    for value in ticks(low, high, 3):
        parts.append(line(scale(value), top, scale(value), bottom, "grid"))
        parts.append(text(scale(value), bottom + 14, tick_label(value), "tick", "middle"))
    for name, value in lines:
        x = scale(value)
        parts.append(line(x, top, x, bottom, "ceiling"))
        anchor = "start" if x < (scale.start + scale.end) / 2 else "end"
        parts.append(text(x, top - 6, f"{name} {number(value, standing.span)}", "note", anchor))
    parts += [part for k, (key, cell) in enumerate(rows) for part in _row(standing, key, cell, scale, top + (k + 0.5) * _STEP)]
    said = f"{title}: {standing.label} of {'the first ' if n_all > most else ''}{len(rows)} models with 95 % intervals"
    notes = []
    if tied > 1:
        notes.append("shaded: cannot be told from the first")
    if any(key.kind != "run" for key, _ in rows):
        notes.append("hollow: printed in a paper")
    if any(key.kind == "run" and cell.rank is None for key, cell in rows):
        notes.append("hollow: not ranked")
    if not standing.higher_is_better:
        notes.append("lower is better")
    if standing.majority is not None:
        notes.append("dashed: the majority answer")
    caption = (f"First {most} of {n_all}. " if n_all > most else "") + (
        "; ".join(notes)[:1].upper() + "; ".join(notes)[1:] + "." if notes else ""
    )
    return figure(_WIDE, bottom + 20, parts, said, caption)


def _tied(standing: Standing, rows: Sequence[tuple[RowKey, Cell]]) -> int:
    """How many rows from the top share the first place."""
    first = set(standing.first)
    count = 0
    for key, _ in rows:
        if key not in first:
            break
        count += 1
    return count


def _row(standing: Standing, key: RowKey, cell: Cell, scale: Scale, y: float) -> list[Part]:
    css = "run" if cell.rank is not None else "paper"
    name = show(key.name, 64)
    value = cell.value or 0.0
    parts = [text(_NAMES, y + 4, name if len(name) <= 19 else name[:18] + "…", anchor="end")]
    if cell.low is not None and cell.high is not None:
        parts.append(line(scale(cell.low), y, scale(cell.high), y, f"bar {css}"))
    parts.append(dot(scale(value), y, f"dot {css}", value_title(name, value, cell.low, cell.high, standing.span)))
    parts.append(text(_WIDE - 3, y + 4, cell.text, "value", "end"))
    return parts
