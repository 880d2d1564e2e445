"""Who is preferred to whom, by clinicians and by each metric: matrices side by side, as a picture (MedAlign, figures 2 and 3)."""

from __future__ import annotations

from ehrbench.leaderboard.agreement import systems_by_wins
from ehrbench.leaderboard.svg import Part, drawn, line, picture, rect, text
from ehrbench.results.supplements import HeadToHead, HumanStats

_CELL, _GAP, _LETTER = 34.0, 26.0, 6.4
_PER_ROW = 3
_COLOURS = (
    "#f2e3d0",
    "#f4e8d9",
    "#f5ece1",
    "#f6f0e8",
    "#f7f4ef",
    "#f2f2f0",
    "#e6eef2",
    "#d5e6ef",
    "#c0dbea",
    "#a9cfe5",
    "#92c3df",
)
"""From never preferred to always preferred."""
_STYLE = (
    "svg{fill:#1c1d1f;font:12px system-ui,'Helvetica Neue',Arial,sans-serif}.title{font-weight:600}"
    ".note{fill:#5a5d63;font-size:11px}"
    ".axis{stroke:#5a5d63;fill:none}" + "".join(f".h{k}{{fill:{colour}}}" for k, colour in enumerate(_COLOURS))
)


def preferences_picture(stats: HumanStats) -> str | None:
    """An SVG that opens by itself, people's matrix first; None without two systems.

    A cell is the share of items on which the row's system was strictly preferred to the column's; rows stand in the order of the
    people's preferences in every matrix.
    """
    order = systems_by_wins(stats)
    if len(order) < 2:
        return None
    names = [f"{_letter(k)}  {name}"[:34] for k, name in enumerate(order)]
    left = max(map(len, names)) * _LETTER + 12
    side = len(order) * _CELL
    panels = stats.head_to_head
    columns = min(_PER_ROW, len(panels))
    wide = max(left + columns * (side + _GAP), 460.0)
    areas: list[Part] = []
    parts: list[Part] = []
    for k, matrix in enumerate(panels):
        x, y = left + k % _PER_ROW * (side + _GAP), 20 + k // _PER_ROW * (side + 58)
        coloured, written = _panel(matrix, order, x, y)
        areas += coloured
        parts += written
        if k % _PER_ROW == 0:
            parts += [text(left - 8, y + 24 + (i + 0.62) * _CELL, name, "", "end") for i, name in enumerate(names)]
    high = 20 + ((len(panels) + _PER_ROW - 1) // _PER_ROW) * (side + 58)
    parts.append(
        text(4, high, "Share of items on which the row's system was preferred to the column's; ties count for neither.", "note")
    )
    label = f"Preferences between {len(order)} systems: {', '.join(panel.label for panel in panels)}"
    return picture(wide, high + 12, f"{drawn(areas)}{drawn(parts)}", label, _STYLE)


def _panel(matrix: HeadToHead, order: list[str], x: float, y: float) -> tuple[list[Part], list[Part]]:
    """What is drawn below, and what is written on it."""
    top = y + 24
    areas: list[Part] = []
    parts = [text(x, y, matrix.label[:40], "title")]
    parts += [text(x + (j + 0.5) * _CELL, y + 18, _letter(j), "note", "middle") for j in range(len(order))]
    cells = {(pair.a, pair.b): pair for pair in matrix.pairs}
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            if (pair := cells.get((a, b))) is None:
                continue
            ties = "" if pair.ties is None else f", {pair.ties:.0%} ties"
            said = f"{a} preferred to {b}: {pair.wins:.1%}{ties}"
            areas.append(rect(x + j * _CELL, top + i * _CELL, _CELL - 1, _CELL - 1, f"h{round(pair.wins * 10)}", said))
            parts.append(text(x + (j + 0.5) * _CELL, top + (i + 0.62) * _CELL, f"{pair.wins:.2f}", "", "middle"))
    side = len(order) * _CELL
    return areas, [*parts, line(x, top + side, x + side, top + side, "axis")]


def _letter(k: int) -> str:
    return chr(ord("A") + k) if k < 26 else str(k + 1)
