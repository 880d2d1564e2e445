"""A number of a result as the tables show it, and as programs read it."""

from __future__ import annotations

from ehrbench.results.repeats import Repeats
from ehrbench.results.schema import MetricResult, Result
from ehrbench.studies.state import CellState

FIELDS = (
    "metric",
    "label",
    "primary",
    "value",
    "low",
    "high",
    "n",
    "over_all_items",
    "state",
    "signature",
    "caution",
    "missing",
)
"""Columns of ``fields_of``."""


def number(metric: MetricResult | None) -> str:
    """A value with its interval; a mark where a caution belongs to it."""
    if metric is None or metric.value is None:
        return ""
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4f}"
    return f"{metric.value:.4f} [{metric.low:.4f}, {metric.high:.4f}]{'!' if metric.caution else ''}"


def marks(synthetic: bool, partial: bool) -> list[str]:
    """Notes that stand under every table in which some result is invented, or is of fewer items than there are."""
    said = {
        "on the synthetic sample: invented records, of which no number says anything about a model": synthetic,
        "partial: fewer items were run than there are": partial,
    }
    return [note for note, holds in said.items() if holds]


def fields_of(metric: MetricResult, result: Result | Repeats, state: CellState) -> list[object]:
    """A number with all that is known of it, unrounded."""
    numbers = (metric.value, metric.low, metric.high, metric.n, metric.strict_value)
    said = (state.state, metric.signature, metric.caution, metric.missing)
    return [metric.name, metric.label, metric.name == result.primary, *numbers, *said]
