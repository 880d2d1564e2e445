"""What stands above a task's tables: facts of its data, and the primary metric with what it is worth."""

from __future__ import annotations

from collections.abc import Sequence

from ehrbench.leaderboard.agreement import worth
from ehrbench.leaderboard.entries import Entry
from ehrbench.leaderboard.layout import Slugs
from ehrbench.leaderboard.text import show
from ehrbench.leaderboard.words import explain
from ehrbench.results.supplements import Correlation


def task_facts(entries: Sequence[Entry]) -> list[str]:
    """Version, size and openness of a task's data."""
    result = entries[0].result
    facts = [f"version {max(entry.result.task_version for entry in entries)}"]
    expected = {entry.result.n_expected for entry in entries if entry.result.n_expected}
    if expected:
        facts.append(f"{max(expected)} items in the full release")
    facts.append("credentialed data" if result.data_policy == "credentialed" else "open data")
    return facts


def primary_view(entries: Sequence[Entry], correlations: Sequence[Correlation], slug: Slugs) -> dict[str, str]:
    """The primary metric: what it is, where its rule is from, and what it is worth where it was set beside clinicians."""
    ours_first = sorted(entries, key=lambda entry: entry.result.kind != "run")
    metric = next((m for entry in ours_first if (m := entry.primary) is not None), None)
    if metric is None:
        return {}
    words = explain(metric.name)
    return {
        "label": show(metric.label, 60),
        "href": f"methods.html#metric-{slug['metric'][metric.name]}",
        "words": show(words.about),
        "source": show(words.cite),
        "worth": worth(correlations, entries[0].result.task, metric.name),
    }
