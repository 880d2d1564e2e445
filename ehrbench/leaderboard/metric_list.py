"""The metrics that a site shows: what each says, where its rule is from, and in which forms it was computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ehrbench.leaderboard.entries import Entry
from ehrbench.leaderboard.layout import Slugs
from ehrbench.leaderboard.text import number, show
from ehrbench.leaderboard.words import explain
from ehrbench.results.schema import MetricResult

MAX_FORMS = 8


def metric_lines(entries: Sequence[Entry], slug: Slugs) -> list[dict[str, Any]]:
    """Each metric of the results as the methods page shows it, by its label."""
    found: dict[str, list[MetricResult]] = defaultdict(list)
    for entry in entries:
        for metric in entry.result.metrics:
            found[metric.name].append(metric)
    lines = []
    for name, several in sorted(found.items(), key=lambda pair: (pair[1][0].label.lower(), pair[0])):
        first, words = several[0], explain(name)
        lines.append(
            {
                "slug": slug["metric"][name],
                "name": show(name, 60),
                "label": show(first.label, 60),
                "words": show(words.about),
                "source": show(words.cite),
                "range": f"{number(first.range[0], first.range)} to {number(first.range[1], first.range)}",
                "higher": first.higher_is_better,
                "notes": sorted({show(metric.note) for metric in several if metric.note})[:MAX_FORMS],
                "signatures": sorted({show(metric.signature, 200) for metric in several if metric.signature})[:MAX_FORMS],
            }
        )
    return lines
