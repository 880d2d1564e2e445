"""The figures: intervals, metrics beside clinicians, score against context, score against what it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ehrbench.leaderboard.entries import Entry, over_all
from ehrbench.leaderboard.svg import (
    Markup,
    Part,
    Scale,
    dot,
    figure,
    line,
    padded,
    path,
    rect,
    text,
    tick_label,
    ticks,
    value_title,
)
from ehrbench.leaderboard.text import count, number, show, tokens
from ehrbench.results.supplements import Correlation, Interval

MAX_ROWS = 60
"""Models a figure shows; the table beside it shows all."""
MAX_LINES = 7
"""Models in the context figure: as many as there are colours."""
MAX_LABELS = 14
MIN_PRICED = 3
"""Fewest models in the figure of costs: a line between two says no more than the table."""
_NAMES = 135.0
_WIDE = 420.0
_RIGHT = 470.0
_STEP = 20.0


class Point(NamedTuple):
    """One value at one place of the context or cost axis."""

    model: str
    x: float
    value: float
    low: float | None
    high: float | None
    policy: str = ""


def caterpillar(table: Correlation) -> Markup | None:
    """Each metric's agreement with the clinicians, the clinicians' own as a band."""
    if not table.metrics:
        return None
    metrics = sorted(table.metrics, key=lambda m: (-m.value, m.label))[:MAX_ROWS]
    values: list[Interval] = [*metrics, *([table.inter_rater] if table.inter_rater else [])]
    ends = [end for one in values for end in (one.value, one.low, one.high) if end is not None]
    low, high = padded([*ends, 0.0])
    scale = Scale(low, high, _NAMES + 10, _WIDE - 50)
    height = len(metrics) * _STEP + 58
    parts: list[Part] = []
    ceiling = table.inter_rater
    if ceiling is not None:
        if ceiling.low is not None and ceiling.high is not None:
            parts.append(rect(scale(ceiling.low), 20, scale(ceiling.high) - scale(ceiling.low), height - 50, "band"))
        parts.append(line(scale(ceiling.value), 20, scale(ceiling.value), height - 30, "ceiling"))
        label = f"between raters {number(ceiling.value, table.span, table.source is not None)}"
        parts.append(text(min(scale(ceiling.value), _WIDE - 70), 13, label, "note", "middle"))
    parts += _axis(scale, low, high, height - 30, top=20)
    for k, metric in enumerate(metrics):
        y = 34 + k * _STEP
        parts.append(text(_NAMES, y + 4, show(metric.label, 24), anchor="end"))
        if metric.low is not None and metric.high is not None:
            parts.append(line(scale(metric.low), y, scale(metric.high), y, "bar run"))
        title = value_title(show(metric.label, 60), metric.value, metric.low, metric.high, table.span)
        parts.append(dot(scale(metric.value), y, "dot run", title))
        parts.append(text(_WIDE, y + 4, number(metric.value, table.span, table.source is not None), "value", "end"))
    statistic = show(table.statistic, 120)
    caption = f"{statistic[:1].upper()}{statistic[1:]}: each metric with its 95 % interval"
    caption += ", beside the agreement between raters (line and band)." if ceiling else "."
    return figure(
        _WIDE, height, parts, f"Agreement of {len(metrics)} metrics with clinicians; the table has the numbers", caption
    )


def against_context(entries: Sequence[Entry]) -> Markup | None:
    """Score against the window, one line a model, refinement and retrieval apart; None when no model has two windows."""
    points: dict[tuple[str, str], list[Point]] = defaultdict(list)
    span = (0.0, 1.0)
    for entry in entries:
        metric, context = entry.primary, entry.result.context
        if (
            metric is None
            or metric.value is None
            or context is None
            or not context.window
            or entry.hidden
            or entry.result.partial
        ):
            continue
        span = metric.range
        name = show(entry.row.name, 40)
        shown = over_all(metric, entry.result)
        low, high = (shown.low, shown.high) if metric.low is not None and metric.high is not None else (None, None)
        points[name, context.policy].append(Point(name, context.window, shown.value, low, high, context.policy))
    return context_lines(points, span)


def context_lines(points: Mapping[tuple[str, str], Sequence[Point]], span: tuple[float, float]) -> Markup | None:
    """The same figure of points by model and policy; ``span`` is the metric's range."""
    models = {name for name, _ in points}
    several = {name for name in models if len({(p.x, p.policy) for key in points if key[0] == name for p in points[key]}) > 1}
    if not several:
        return None
    shown = sorted(several, key=lambda name: -max(p.value for key in points if key[0] == name for p in points[key]))[:MAX_LINES]
    lines = {key: sorted(points[key], key=lambda p: p.x) for key in sorted(points) if key[0] in shown}
    every = [p for several_points in lines.values() for p in several_points]
    low, high = padded([end for p in every for end in (p.value, p.low, p.high) if end is not None])
    windows = sorted({p.x for p in every})
    right, bottom = _RIGHT - 140, 230.0
    across = Scale(windows[0], windows[-1], 70, right - 20, log=True)
    up = Scale(low, high, bottom, 20)
    parts = _frame(up, low, high, 50, right, bottom)
    for window in windows:
        parts.append(line(across(window), bottom, across(window), bottom + 5, "axis"))
        parts.append(text(across(window), bottom + 18, tokens(int(window)), "tick", "middle"))
    parts.append(text((50 + right) / 2, bottom + 36, "window, tokens", "note", "middle"))
    labels: list[tuple[float, str, int]] = []
    for (name, policy), chain in lines.items():
        k = shown.index(name)
        style = f"c{k % MAX_LINES}" + (" dash" if not policy.startswith(("truncate", "full")) else "")
        if len(chain) > 1 and all(p.low is not None and p.high is not None for p in chain):
            band = [(across(p.x), up(p.high or 0)) for p in chain] + [(across(p.x), up(p.low or 0)) for p in reversed(chain)]
            parts.append(path(band, f"area {style}", closed=True))
        if len(chain) > 1:
            parts.append(path([(across(p.x), up(p.value)) for p in chain], f"line {style}"))
        for p in chain:
            if len(chain) == 1 and p.low is not None and p.high is not None:
                parts.append(line(across(p.x), up(p.low), across(p.x), up(p.high), f"line {style}"))
            title = value_title(f"{name}, {policy}, {tokens(int(p.x))}", p.value, p.low, p.high, span)
            parts.append(dot(across(p.x), up(p.value), f"mark {style}", title))
        said = name if policy.startswith(("truncate", "full")) else f"{name} · {policy}"
        labels.append((up(chain[-1].value), said, k))
    for y, label, k in _spread(labels, 20, bottom):
        parts.append(text(right + 8, y + 4, label if len(label) <= 24 else label[:23] + "…", f"t{k % MAX_LINES}"))
    caption = "Score against the window, with 95 % bands; dashed: the record is shown in pieces (refine) or searched (retrieve)."
    if len(several) > len(shown):
        caption += f" The {len(shown)} best of {len(several)} models; the table has all."
    return figure(_RIGHT, bottom + 46, parts, f"Score against context length for {len(shown)} models", caption)


def against_cost(entries: Sequence[Entry], where: str) -> Markup | None:
    """Score against cost, or against tokens where costs are unknown, with the Pareto line; None below ``MIN_PRICED`` models."""
    own = [e for e in entries if e.result.kind == "run" and not e.hidden and not e.result.partial]
    own = [e for e in own if (m := e.primary) is not None and m.value is not None]
    priced = bool(own) and all(e.result.usage.cost for e in own)
    points = []
    span, better = (0.0, 1.0), True
    for entry in own:
        usage, metric = entry.result.usage, entry.primary
        x = usage.cost if priced else float(usage.prompt_tokens + usage.answer_tokens + usage.reasoning_tokens)
        if metric is None or metric.value is None or not x:
            continue
        span, better = metric.range, metric.higher_is_better
        per_item = x / (entry.result.n_items or 1)
        points.append(Point(show(entry.row.name, 40), per_item, over_all(metric, entry.result).value, metric.low, metric.high))
    if len({p.model for p in points}) < MIN_PRICED or len({p.x for p in points}) < 2:
        return None
    points.sort(key=lambda p: (p.x, -p.value if better else p.value))
    low, high = padded([p.value for p in points], 0.12)
    right, bottom = _RIGHT - 95, 230.0
    across = Scale(points[0].x, points[-1].x, 70, right - 20, log=True)
    up = Scale(low, high, bottom, 20)
    parts = _frame(up, low, high, 50, right, bottom)
    for x in _log_ticks(points[0].x, points[-1].x):
        parts.append(line(across(x), bottom, across(x), bottom + 5, "axis"))
        parts.append(text(across(x), bottom + 18, f"${x:.4g}" if priced else _short(x), "tick", "middle"))
    unit = "US dollars per item" if priced else "tokens per item (prompt, reasoning and answer)"
    parts.append(text((50 + right) / 2, bottom + 36, unit + ", logarithmic", "note", "middle"))
    front: list[Point] = []
    for p in points:
        if not front or (p.value > front[-1].value if better else p.value < front[-1].value):
            front.append(p)
    stairs: list[tuple[float, float]] = []
    for p in front:
        if stairs:
            stairs.append((across(p.x), stairs[-1][1]))
        stairs.append((across(p.x), up(p.value)))
    stairs.append((right - 10, stairs[-1][1]))
    parts.append(path(stairs, "pareto"))
    labelled = set(front[-MAX_LABELS:]) | set(points[: max(0, MAX_LABELS - len(front))])
    for p in points:
        css = "dot run" if p in front else "dot paper"
        parts.append(dot(across(p.x), up(p.value), css, f"{p.model}: {number(p.value, span)}"))
    placed: list[tuple[float, float]] = []
    for p in [*front, *(p for p in points if p not in front)]:
        x, y = across(p.x) + 7, up(p.value) - 6
        if p in labelled and all(abs(x - a) > 130 or abs(y - b) > 12 for a, b in placed):
            placed.append((x, y))
            parts.append(text(x, y, p.model[:24]))
    caption = f"{where}: score against {unit}. The line joins the models that no other beats at their price or below."
    return figure(_RIGHT, bottom + 46, parts, f"Score against cost for {len(points)} runs", caption)


def _axis(scale: Scale, low: float, high: float, bottom: float, top: float = 4) -> list[Part]:
    parts = [line(scale.start, bottom, scale.end, bottom, "axis")]
    for value in ticks(low, high):
        parts.append(line(scale(value), top, scale(value), bottom, "grid"))
        parts.append(text(scale(value), bottom + 16, tick_label(value), "tick", "middle"))
    return parts


def _frame(up: Scale, low: float, high: float, left: float, right: float, bottom: float) -> list[Part]:
    parts = [line(left, bottom, right, bottom, "axis")]
    for value in ticks(low, high):
        parts.append(line(left, up(value), right, up(value), "grid"))
        parts.append(text(left - 6, up(value) + 4, tick_label(value), "tick", "end"))
    return parts


def _spread(labels: Sequence[tuple[float, str, int]], top: float, bottom: float) -> list[tuple[float, str, int]]:
    """Move labels apart so that no two lie on one another, keeping their order."""
    placed: list[tuple[float, str, int]] = []
    for y, label, k in sorted(labels):
        placed.append((max(y, placed[-1][0] + 15 if placed else top), label, k))
    over = placed[-1][0] - bottom if placed else 0
    return [(y - max(0.0, over), label, k) for y, label, k in placed]


def _log_ticks(low: float, high: float) -> list[float]:
    from math import floor, log10

    values = [factor * 10.0**power for power in range(floor(log10(low)), floor(log10(high)) + 1) for factor in (1, 2, 5)]
    inside = [value for value in values if low <= value <= high]
    return inside if len(inside) >= 2 else [low, high]


def _short(value: float) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 and value % 100 == 0 else count(value)
