"""A question's figure: each row of a table as a dot with its 95 % interval, as an SVG that opens by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.leaderboard.svg import Scale, dot, drawn, line, padded, picture, text, tick_label, ticks

_STYLE = (
    "svg{fill:#1c1d1f;font:11px system-ui,'Helvetica Neue',Arial,sans-serif}.tick{font-size:10px;fill:#5a5d63}"
    ".title{font-weight:600}circle{r:3.5px;fill:#0b5c8a}path{fill:none}.axis{stroke:#5a5d63}.grid{stroke:#dcdcd6}"
    ".bar{stroke:#0b5c8a;stroke-width:2}"
)
_STEP, _TOP, _LETTER = 20.0, 28.0, 6.2


class Row(NamedTuple):
    """One value."""

    name: str
    value: float
    low: float | None
    high: float | None


def dots(title: str, rows: Sequence[Row]) -> str:
    """The figure of some values on one scale.

    Args:
        title: stands above.
        rows: at least one.
    """
    names = min(max(len(row.name) for row in rows), 60) * _LETTER + 12
    wide = names + 360
    low, high = padded([end for row in rows for end in (row.value, row.low, row.high) if end is not None])
    scale = Scale(low, high, names + 10, wide - 60)
    bottom = _TOP + len(rows) * _STEP + 2
    parts = [text(4, 14, title, "title")]
    for tick in ticks(low, high, 4):
        parts += [
            line(scale(tick), _TOP, scale(tick), bottom, "grid"),
            text(scale(tick), bottom + 14, tick_label(tick), "tick", "middle"),
        ]
    parts.append(line(scale.start, bottom, scale.end, bottom, "axis"))
    for k, row in enumerate(rows):
        y = _TOP + (k + 0.5) * _STEP
        parts.append(text(names, y + 4, row.name if len(row.name) <= 60 else f"{row.name[:59]}…", "", "end"))
        if row.low is not None and row.high is not None:
            parts.append(line(scale(row.low), y, scale(row.high), y, "bar"))
        parts += [
            dot(scale(row.value), y, "dot", f"{row.name}: {row.value:.4f}"),
            text(wide - 6, y + 4, f"{row.value:.4f}", "", "end"),
        ]
    return picture(wide, bottom + 22, drawn(parts), title, _STYLE)
