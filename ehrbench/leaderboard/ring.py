"""Tasks as a ring, categories inside and their tasks outside, one equal sector for each task (MedS-Bench, figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ehrbench.leaderboard.svg import escape, picture, px

_COLOURS = ("#c0dbea", "#f2e3d0", "#cfe3d4", "#e3d3ea", "#eae3b8", "#f2cdd9", "#d3d8ee")
_STYLE = (
    "svg{fill:#1c1d1f;font:10.5px system-ui,'Helvetica Neue',Arial,sans-serif}path{stroke:#fff;stroke-width:1}"
    ".name{font-weight:600;font-size:11px}.middle{font-weight:600;font-size:17px}.note{fill:#5a5d63;font-size:11px}"
    + "".join(f".k{k}{{fill:{colour}}}" for k, colour in enumerate(_COLOURS))
)
_INNER, _BORDER, _OUTER, _EDGE = 76.0, 256.0, 269.0, 296.0
_LONGEST = 30


def ring(name: str, categories: Mapping[str, Sequence[str]]) -> str:
    """An SVG that opens by itself.

    Args:
        name: stands in the middle.
        categories: titles of the tasks in each, at least one in all.
    """
    n = sum(map(len, categories.values()))
    size = 2 * (_EDGE + 6.2 * _LONGEST)
    parts = []
    turn = 0.0
    for k, (category, own) in enumerate(categories.items()):
        step = 2 * math.pi / n
        end = turn + step * len(own)
        colour = f"k{k % len(_COLOURS)}"
        parts.append(
            _sector(_INNER, _BORDER, turn, end, colour, f"{category}: {len(own)} {'task' if len(own) == 1 else 'tasks'}")
        )
        parts.append(_label(category, (turn + end) / 2, _BORDER - 6, "name", inwards=True))
        for place, title in enumerate(own):
            begin = turn + place * step
            parts.append(_sector(_OUTER - 10, _EDGE, begin, begin + step, colour, title))
            parts.append(_label(_short(title), begin + step / 2, _EDGE + 5, "", inwards=False))
        turn = end
    count = f"{n} tasks, {len(categories)} categories"
    middle = f'<text y="-2" text-anchor="middle" class="middle">{escape(name)}</text>'
    below = f'<text y="16" text-anchor="middle" class="note">{count}</text>'
    return picture(size, size, "".join([*parts, middle, below]), f"{name}: {count}", _STYLE, -size / 2, -size / 2)


def _sector(inner: float, outer: float, start: float, end: float, colour: str, title: str) -> str:
    end = min(end, start + 2 * math.pi - 1e-4)  # an arc that ends where it begins is none
    wide = int(end - start > math.pi)
    points = [_at(outer, start), _at(outer, end), _at(inner, end), _at(inner, start)]
    a, b, c, d = (f"{px(x)} {px(y)}" for x, y in points)
    way = f"M{a}A{px(outer)} {px(outer)} 0 {wide} 1 {b}L{c}A{px(inner)} {px(inner)} 0 {wide} 0 {d}Z"
    return f'<path class="{colour}" d="{way}"><title>{escape(title)}</title></path>'


def _label(said: str, angle: float, radius: float, css: str, inwards: bool) -> str:
    """A text along a radius, never upside down."""
    degrees = math.degrees(angle) - 90
    turned = math.cos(math.radians(degrees)) < 0
    anchor = "end" if inwards != turned else "start"
    x = -radius if turned else radius
    name = f' class="{css}"' if css else ""
    return (
        f'<text{name} transform="rotate({px(degrees + (180 if turned else 0))})" x="{px(x)}" dy=".35em" text-anchor="{anchor}">'
        f"{escape(said)}</text>"
    )


def _at(radius: float, angle: float) -> tuple[float, float]:
    return radius * math.sin(angle), -radius * math.cos(angle)


def _short(title: str) -> str:
    return title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
