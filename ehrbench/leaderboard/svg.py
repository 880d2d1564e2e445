"""Small pieces of inline SVG. Colours come from classes in the style sheet, so that both themes and print apply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup, escape

from ehrbench.leaderboard.text import number


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        a, b, v = (math.log2(x) if self.log else x for x in (self.low, self.high, value))
        share = 0.5 if b == a else (v - a) / (b - a)
        return self.start + share * (self.end - self.start)


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """The smallest and largest value with some room around them."""
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * 0.1 or 0.1
    return low - room, high + room


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``, about ``about`` of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= about + 1)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 12) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def tick_label(value: float) -> str:
    """A tick as short as it can be."""
    return f"{value:.6g}".replace("-", "−")


class Part(NamedTuple):
    """A piece of a drawing. Pieces of one kind are drawn together, so that what they share is written once."""

    tag: str
    """``text``, ``circle``, ``rect``; or ``path``, whose pieces become one."""
    shared: str
    """The attributes that all pieces of its kind have: class, anchor."""
    own: str
    """Its own attributes; of a path, its way alone."""
    inner: str = ""


def text(x: float, y: float, content: object, css: str = "", anchor: str = "start") -> Part:
    """A line of text."""
    shared = _class(css) + ("" if anchor == "start" else f' text-anchor="{anchor}"')
    return Part("text", shared, f' x="{px(x)}" y="{px(y)}"', str(escape(content)))


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Part:
    """A straight line."""
    to = f"H{px(x2)}" if px(y1) == px(y2) else f"V{px(y2)}" if px(x1) == px(x2) else f"L{px(x2)} {px(y2)}"
    return Part("path", _class(css), f"M{px(x1)} {px(y1)}{to}")


def dot(x: float, y: float, css: str, title: str = "") -> Part:
    """A point with a text shown on hovering; the style sheet says how large it is."""
    return Part("circle", _class(css), f' cx="{px(x)}" cy="{px(y)}"', _title(title))


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "") -> Part:
    """A filled area."""
    if not title:
        return Part("path", _class(css), f"M{px(x)} {px(y)}h{px(width)}v{px(height)}h{px(-width)}z")
    size = f'width="{px(width)}" height="{px(height)}"'
    return Part("rect", _class(css), f' x="{px(x)}" y="{px(y)}" {size}', _title(title))


def path(points: Sequence[tuple[float, float]], css: str, closed: bool = False) -> Part:
    """A line through points."""
    d = "M" + "L".join(f"{px(x)} {px(y)}" for x, y in points) + ("Z" if closed else "")
    return Part("path", _class(css), d)


def figure(width: float, height: float, parts: Sequence[Part], label: str, caption: str) -> Markup:
    """A figure with its caption, as wide as the screen lets it be; ``label`` is what a screen reader says of the drawing."""
    return _trusted(
        f'<figure><div class="draw"><svg viewBox="0 0 {px(width)} {px(height)}" role="img" aria-label="{escape(label)}">'
        f"{drawn(parts)}</svg></div><figcaption>{escape(caption)}</figcaption></figure>"
    )


def picture(width: float, height: float, body: str, label: str, style: str, left: float = 0.0, top: float = 0.0) -> str:
    """A drawing on white that opens by itself; ``left`` and ``top`` are the coordinates of its upper left corner."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{px(left)} {px(top)} {px(width)} {px(height)}" width="{px(width)}" '
        f'role="img" aria-label="{escape(label)}"><style>{style}</style>'
        f'<rect x="{px(left)}" y="{px(top)}" width="100%" height="100%" fill="#fff"/>{body}</svg>\n'
    )


def alone(figure: Markup, style: str) -> str:
    """A figure's drawing as a file of its own, without the caption."""
    head, _, body = str(figure)[str(figure).index("<svg") : str(figure).index("</svg>")].partition(">")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{body}</svg>\n'
    )


def drawn(parts: Sequence[Part]) -> Markup:
    """What stands in a drawing: kinds of pieces in the order in which the first of each comes."""
    kinds: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        kinds.setdefault((part.tag, part.shared), []).append(part)
    return _trusted("".join(_alike(tag, shared, alike) for (tag, shared), alike in kinds.items()))


def _alike(tag: str, shared: str, alike: Sequence[Part]) -> str:
    if tag == "path":
        return f'<path d="{"".join(part.own for part in alike)}"{shared}/>'
    if len(alike) == 1 or not shared:
        return "".join(_element(tag, part.own + shared, part.inner) for part in alike)
    return f"<g{shared}>" + "".join(_element(tag, part.own, part.inner) for part in alike) + "</g>"


def _element(tag: str, attributes: str, inner: str) -> str:
    return f"<{tag}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{attributes}/>"


def _class(css: str) -> str:
    return f' class="{css}"' if css else ""


def _title(title: str) -> str:
    return f"<title>{escape(title)}</title>" if title else ""


def _trusted(markup: str) -> Markup:
    """Markup made here: numbers, names of our own classes, and text that was escaped."""
    return Markup(markup)  # noqa: S704


def value_title(name: str, value: float, low: float | None, high: float | None, span: tuple[float, float]) -> str:
    """What hovering over a point says."""
    ends = "" if low is None or high is None else f" ({number(low, span)} to {number(high, span)})"
    return f"{name}: {number(value, span)}{ends}"


def px(value: float) -> str:
    """A coordinate to a tenth of a pixel, so that two machines write the same bytes."""
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


__all__ = [
    "Markup",
    "Part",
    "Scale",
    "dot",
    "drawn",
    "escape",
    "figure",
    "line",
    "padded",
    "path",
    "px",
    "rect",
    "text",
    "tick_label",
    "ticks",
    "value_title",
]
