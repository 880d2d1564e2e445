"""A model's profile: each task's value between the quartiles of the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.leaderboard.svg import Markup, Part, dot, figure, line, rect, text, value_title

MAX_ROWS = 40
_WIDE = 420.0
_NAMES = 190.0
_STEP = 17.0


class Spot(NamedTuple):
    """One task."""

    title: str
    value: float
    low: float
    high: float
    quartiles: tuple[float, float, float]
    """Of the other ranked models."""
    ends: tuple[float, float]
    """Worst and best of them, or best and worst."""
    span: tuple[float, float]
    verdict: int
    """1: the whole interval is better than the field's median, -1: worse, 0: it holds it."""
    higher_is_better: bool


def profile_chart(spots: Sequence[Spot], title: str) -> Markup | None:
    """Tasks in rows, each on a scale of its own from the field's worst to its best; None without tasks.

    With more than ``MAX_ROWS`` tasks those that stand out are shown.
    """
    shown = list(spots)
    if len(shown) > MAX_ROWS:
        out = [spot for spot in spots if spot.verdict][:MAX_ROWS]
        shown = out or shown[:MAX_ROWS]
    if not shown:
        return None
    left, right = _NAMES + 8, _WIDE - 8
    rows: list[Part] = []
    boxes: list[Part] = []
    medians: list[Part] = []
    for k, spot in enumerate(shown):
        y = 14 + k * _STEP
        low, high = min(spot.ends[0], spot.low), max(spot.ends[1], spot.high)

        def x(value: float, low: float = low, high: float = high, up: bool = spot.higher_is_better) -> float:
            share = 0.5 if low == high else (value - low) / (high - low)
            return left + (share if up else 1 - share) * (right - left)

        q1, middle, q3 = spot.quartiles
        a, b = sorted((x(q1), x(q3)))
        boxes.append(rect(a, y - 5, max(b - a, 1), 10, "field"))
        medians.append(line(x(middle), y - 5, x(middle), y + 5, "axis"))
        name = spot.title if len(spot.title) <= 30 else spot.title[:29] + "…"
        css = {1: "good", -1: "bad", 0: "run"}[spot.verdict]
        rows.append(text(_NAMES, y + 4, name, anchor="end"))
        rows.append(line(x(spot.low), y, x(spot.high), y, f"bar {css}"))
        rows.append(dot(x(spot.value), y, f"dot {css}", value_title(spot.title, spot.value, spot.low, spot.high, spot.span)))
    height = 14 + len(shown) * _STEP + 10
    grid = [line(left, 14 + k * _STEP, right, 14 + k * _STEP, "grid") for k in range(len(shown))]
    parts = [*grid, *boxes, *medians, *rows]
    parts.append(text(left, height, "worst of the field", "note"))
    parts.append(text(right, height, "best", "note", "end"))
    caption = "Box: the middle half of the other models, line: their median; the dot with its interval is this model."
    if len(shown) < len(spots):
        caption += f" {len(shown)} of {len(spots)} tasks."
    return figure(_WIDE, height + 6, parts, f"Profile of {title} over {len(shown)} tasks", caption)
