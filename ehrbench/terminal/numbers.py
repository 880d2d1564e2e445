"""Numbers as the tables of correlations, comparisons and studies write them."""

from __future__ import annotations

from typing import Any


def decimal(value: float | None, digits: int = 3) -> str:
    """A number, or nothing."""
    return "" if value is None or value != value else f"{value:.{digits}f}"


def ends(one: Any) -> str:
    """The interval of anything that has ``low`` and ``high``."""
    return "" if one is None or one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"


def p_value(p: float | None) -> str:
    """A p-value with the digits it deserves."""
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """A time span in the two units that matter: 3.2 s, 4 min 10 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
