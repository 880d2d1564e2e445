"""What the search of the first page looks through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ehrbench.leaderboard.entries import Entry
from ehrbench.leaderboard.layout import Slugs
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.text import show


def search_index(
    suites: Sequence[str],
    by_model: Mapping[str, Sequence[Entry]],
    by_task: Mapping[str, Sequence[Entry]],
    slug: Slugs,
    names: Names,
) -> list[dict[str, str]]:
    """Benchmarks, models with their aliases, tasks and metrics, each with the page that it leads to."""
    found = [{"kind": "benchmark", "name": names.suite_title(s), "href": f"suites/{slug['suite'][s]}.html"} for s in suites]
    for name in sorted(by_model, key=lambda name: (name.lower(), name)):
        aliases = sorted({entry.result.model.name for entry in by_model[name]} - {name})
        line = {"kind": "model", "name": show(name, 64), "href": f"models/{slug['model'][name]}.html"}
        found.append(line | ({"also": show(" ".join(aliases), 120)} if aliases else {}))
    for task in sorted(by_task):
        title = names.task(task).title
        found.append({"kind": "task", "name": title, "also": show(task, 80), "href": f"tasks/{slug['task'][task]}.html"})
    for name, label in sorted(_labels(by_task.values()).items()):
        place = f"methods.html#metric-{slug['metric'][name]}"
        found.append({"kind": "metric", "name": show(label, 60), "also": show(name, 60), "href": place})
    return found


def _labels(tasks: Iterable[Sequence[Entry]]) -> dict[str, str]:
    return {metric.name: metric.label for entries in tasks for entry in entries for metric in entry.result.metrics}
