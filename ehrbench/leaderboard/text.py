"""Text of the site: file names from any name, numbers as people read them, and untrusted text made safe to show."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

MAX_NAME = 64
"""Characters of a model's name that a table shows."""
MAX_NOTE = 400
_RESERVED = {"con", "prn", "aux", "nul", "index"}


def show(text: object, limit: int = MAX_NOTE) -> str:
    """Untrusted text as one line: control and direction-changing characters made visible, cut to ``limit`` characters.

    Escaping is the template's job; this is about what escaping leaves: line breaks, overrides of the writing direction, length.
    """
    return _shown(str(text), limit)


@lru_cache(maxsize=1 << 14)
def _shown(text: str, limit: int) -> str:
    cleaned = _one_line(text)
    if not cleaned.isprintable():
        cleaned = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") else c for c in cleaned)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1].rstrip() + "…"


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A file name (without its ending) for each name.

    Lower-case letters, digits, ``-``, ``_`` and single dots only, at most 73 long, no two alike on any file system. A name that
    had to be changed carries a piece of its hash, so that different names never meet in one file.
    """
    bases = {name: _clean(name) for name in sorted(set(names))}
    shared = {base for base, count in Counter(bases.values()).items() if count > 1}
    return {
        name: base if base == name.lower() and base not in shared and base not in _RESERVED else f"{base}-{_short_hash(name)}"
        for name, base in bases.items()
    }


@lru_cache(maxsize=1 << 12)
def slug(name: str) -> str:
    """The name of a place for a name that does not know its neighbours: different names never meet, nor do ``v1`` and ``V1``."""
    base = _clean(name)
    return base if base == name and base not in _RESERVED else f"{base}-{_short_hash(name)}"


def and_list(parts: Sequence[str]) -> str:
    """Names as people list them: "A, B and C"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def in_words(n: int) -> str:
    """A small number in words."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[n] if 0 <= n < len(words) else count(n)


def plural(n: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count(n)} {noun}" + ("" if n == 1 else "s")


def number(value: float, span: tuple[float, float] = (0.0, 1.0), printed: bool = False) -> str:
    """A value with the digits its range deserves: three for 0 to 1, two for ten points, one for percent.

    Args:
        value: the value.
        span: the metric's range.
        printed: keep every digit that a paper printed, up to four.
    """
    width = abs(span[1] - span[0])
    digits = 3 if width <= 2 else 2 if width <= 20 else 1
    if printed:
        _, _, decimals = f"{value:.10g}".partition(".")
        digits = max(digits if width > 2 else 2, min(4, len(decimals)))
    text = f"{value:.{digits}f}"
    return ("0" + text[2:] if float(text) == 0 and text.startswith("-") else text).replace("-", "−")


def pad(text: str, decimals: int) -> str:
    """A written number with at least so many decimals."""
    have = len(text.partition(".")[2])
    return text if have >= decimals or not decimals else text + ("" if have else ".") + "0" * (decimals - have)


def interval(low: float | None, high: float | None, span: tuple[float, float], printed: bool = False) -> str:
    """A 95 % interval, or nothing."""
    if low is None or high is None:
        return ""
    a, b = number(low, span, printed), number(high, span, printed)
    decimals = max(len(a.partition(".")[2]), len(b.partition(".")[2]))
    a, b = pad(a, decimals), pad(b, decimals)
    return f"{a} to {b}" if "−" in a + b else f"{a}–{b}"


def count(value: int | float) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def tokens(value: int | None) -> str:
    """A window in the unit people speak of: 32k, 512."""
    if value is None:
        return "not limited"
    return f"{value // 1024}k" if value >= 1024 and value % 1024 == 0 else count(value)


def _clean(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name[:400]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_.]+|\.{2,}", "-", plain).strip("-._")[:64].rstrip("-._") or "x"


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def exact(value: float) -> float:
    """A number to twelve significant digits: all that is stored, without what adding binary fractions leaves behind it."""
    short = float(f"{value:.12g}")
    return int(short) if short.is_integer() else short


def _one_line(text: str) -> str:
    return " ".join(text[:20_000].split())
