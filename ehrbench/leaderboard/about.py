"""The page about the site: what is in it, what was left out and why, what changed and when, how to cite and to submit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ehrbench.leaderboard.entries import Entry
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.text import and_list, count, plural, show
from ehrbench.tables import to_csv

MAX_DAYS = 60
MAX_MODELS = 8


def results_csv(entries: Sequence[Entry]) -> str:
    """Every result of the site, one per line; of a mean over seeds each run."""
    header = ("model", "kind", "suite", "task", "synthetic", "protocol", "track", "context", "window", "prompt", "config_hash")
    lines = (
        (entry.row.name, run.kind, run.suite, run.task, *entry.setting, run.config_hash)
        for entry in entries
        for run in entry.runs
    )
    return to_csv(header, lines)


def counts(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """How many models, tasks, suites and results there are, as number and noun."""
    return [
        (count(n), noun if n == 1 else f"{noun}s")
        for n, noun in (
            (len({entry.row.name for entry in entries}), "model"),
            (len({entry.result.task for entry in entries}), "task"),
            (len({entry.result.suite for entry in entries}), "benchmark"),
            (sum(len(entry.runs) for entry in entries), "result"),
        )
    ]


def newest(entries: Sequence[Entry]) -> str:
    """The date of the newest run; empty where no result says."""
    return max((date for entry in entries if (date := entry.result.date)), default="")


def changelog(entries: Sequence[Entry], names: Names) -> list[dict[str, str]]:
    """What came on which day, newest first."""
    days: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.result.date:
            days[entry.result.date].append(entry)
    lines = []
    for date, own in sorted(days.items(), reverse=True)[:MAX_DAYS]:
        models = sorted({show(entry.row.name, 40) for entry in own}, key=str.lower)
        more = f" and {len(models) - MAX_MODELS} more" if len(models) > MAX_MODELS else ""
        suites = and_list(sorted({names.suite_title(entry.result.suite) for entry in own}))
        shown = ", ".join(models[:MAX_MODELS]) + more if more else and_list(models)
        lines.append({"date": date, "text": f"{plural(len(own), 'result')} of {shown} on {suites}."})
    return lines


def papers(entries: Sequence[Entry], names: Names) -> list[dict[str, Any]]:
    """What to cite for the suites shown here."""
    found = []
    for suite in sorted({entry.result.suite for entry in entries}, key=lambda s: names.suite_title(s).lower()):
        info = names.suite(suite)
        if info.paper:
            found.append({"title": show(info.title, 60), "paper": show(info.paper), "licence": show(info.licence, 120)})
    return found
