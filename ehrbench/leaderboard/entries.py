"""What the tables are made of: results with their row, their setting and what the site may show of them."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ehrbench.leaderboard.ranks import Estimate
from ehrbench.leaderboard.seeds import Seeds
from ehrbench.leaderboard.text import slug, tokens
from ehrbench.results.models import ModelRegistry
from ehrbench.results.schema import MetricResult, Result
from ehrbench.results.supplements import Comparison, Interval

REPLAY = "replay"
MIN_GROUPS = 11
"""Fewest patients behind a shown number of a credentialed task."""


class Setting(NamedTuple):
    """Under what conditions numbers were made: numbers of different settings never share a table."""

    synthetic: bool
    protocol: str
    track: str
    policy: str
    """How a record was made to fit; empty for tasks without records and for published rows."""
    window: int | None
    prompt: str

    @property
    def id(self) -> str:
        """Names the setting in permalinks."""
        window = "" if self.window is None else str(self.window)
        parts = ["synthetic" if self.synthetic else "", self.protocol, self.track, self.policy, window]
        parts += [self.prompt if self.prompt != "default" else ""]
        return slug("_".join("-".join(part.split()) for part in parts if part))

    def parts(self) -> list[tuple[str, str]]:
        """Name and value of each part, for headings and filters."""
        return [
            ("Data", "synthetic sample" if self.synthetic else "real"),
            ("Protocol", self.protocol),
            ("Track", self.track or "main"),
            ("Context", self.policy or "no record"),
            ("Window", tokens(self.window) if self.policy else "–"),
            ("Prompt", self.prompt),
        ]

    def order(self) -> tuple[bool, str, str, int, str, str]:
        """Real before synthetic, clean before paper, larger windows first and unlimited ones before them."""
        return (self.synthetic, self.protocol, self.track, -(self.window or sys.maxsize), self.policy, self.prompt)


class RowKey(NamedTuple):
    """What makes one row: a model as it was run, or a row of one paper."""

    kind: str
    name: str
    backend: str
    revision: str
    settings: str
    source: str

    def variant(self) -> str:
        """What distinguishes rows of one model name."""
        if self.kind != "run":
            return self.source
        settings = json.loads(self.settings)
        parts = [self.backend, self.revision[:12], *(f"{k}={v}" for k, v in sorted(settings.items()))]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Entry:
    """One result, ready to be placed in tables."""

    result: Result
    row: RowKey
    setting: Setting
    paired: Mapping[tuple[str, str], Interval] = field(default_factory=dict)
    """Paired differences to other runs, by metric and the other's ``config_hash``."""
    seeds: Seeds | None = None
    """The runs under single seeds, where the result is the mean over them."""

    @property
    def runs(self) -> tuple[Result, ...]:
        """The results as they were read: its own, or that of each seed."""
        return self.seeds.runs if self.seeds else (self.result,)

    @property
    def guarded(self) -> bool:
        """Whether its numbers are about real patients under a data use agreement."""
        result = self.result
        return result.kind == "run" and not result.synthetic and result.data_policy == "credentialed"

    @property
    def hidden(self) -> bool:
        """Whether its numbers rest on too few patients to be shown."""
        result = self.result
        if not self.guarded:
            return False
        groups = result.n_groups if result.n_groups is not None else result.n_items
        return groups is None or groups < MIN_GROUPS

    @property
    def primary(self) -> MetricResult | None:
        """The number of the task's primary metric."""
        return self.result.metric(self.result.primary)

    @property
    def n_answered(self) -> int | None:
        """Items with a score, or None where the result does not say."""
        outcomes = self.result.outcomes
        return sum(outcomes.get(name, 0) for name in ("answered", "unparsed", "reasoning_truncated")) if outcomes else None


def make_entries(
    results: Iterable[Result],
    comparisons: Iterable[Comparison] = (),
    models: ModelRegistry | None = None,
    seeds: Mapping[tuple[str, str], Seeds] | None = None,
) -> list[Entry]:
    """Entries of results with what paired tests say of them, in an order that depends on their content only.

    Args:
        results: those of ``over_seeds``.
        comparisons: paired tests of two runs.
        models: which names are one model's.
        seeds: the runs behind each mean over seeds, by task and ``config_hash``.
    """
    known = models or ModelRegistry()
    paired: dict[tuple[str, str], dict[tuple[str, str], Interval]] = defaultdict(dict)
    for one in sorted(comparisons, key=lambda c: c.model_dump_json()):
        flipped = one.difference.model_copy(
            update={
                "value": -one.difference.value,
                "low": None if one.difference.high is None else -one.difference.high,
                "high": None if one.difference.low is None else -one.difference.low,
            }
        )
        paired[one.task, one.a][one.metric, one.b] = one.difference
        paired[one.task, one.b][one.metric, one.a] = flipped
    results = list(results)
    several = _answered_twice(results)
    rows: dict[RowKey, RowKey] = {}
    settings: dict[Setting, Setting] = {}
    entries = []
    for result in results:
        row, setting = _row_key(result, known), _setting(result)
        if result.model.backend == REPLAY and result.model.name not in several:
            row = row._replace(revision="")
        tests = paired.get((result.task, result.config_hash), {})
        behind = (seeds or {}).get((result.task, result.config_hash))
        entries.append(Entry(result, rows.setdefault(row, row), settings.setdefault(setting, setting), tests, behind))

    def order(entry: Entry) -> tuple[object, ...]:
        result = entry.result
        return (result.suite, result.task, entry.setting.order(), entry.row, result.config_hash, result.model_dump_json())

    return sorted(entries, key=order)


def _answered_twice(results: Iterable[Result]) -> set[str]:
    """Names of replayed models that have several files of answers to one task.

    The revision of replayed answers is the hash of their file, and each task has a file of its own: it tells models apart only
    where one task has two of them.
    """
    files: dict[tuple[object, ...], set[str | None]] = defaultdict(set)
    for result in results:
        if result.model.backend == REPLAY:
            files[result.model.name, result.task, result.task_version, _setting(result)].add(result.model.revision)
    return {str(name) for (name, *_), found in files.items() if len(found) > 1}


def choose(entries: Sequence[Entry]) -> Entry:
    """The one of several results of a model under one setting and task that a table shows: most items, most seeds, first hash.

    Never the best score: a table that picks maxima rewards trying often.
    """
    return min(entries, key=lambda e: (-e.result.task_version, -(e.result.n_items or 0), -len(e.runs), e.result.config_hash))


def comparable(metric: MetricResult | None, entry: Entry) -> Estimate | None:
    """The estimate that may be ranked, or None.

    A run with items that have no answer is ranked by its value over all items, the unanswered counting as worst; its interval
    moves along. Published rows, partial runs and numbers without an interval, or with one of no width, are not ranked.
    """
    if metric is None or metric.value is None or metric.low is None or metric.high is None or metric.low == metric.high:
        return None
    if entry.result.kind != "run" or entry.result.partial or entry.hidden:
        return None
    if unanswered(metric, entry.result) and metric.strict_value is None:
        return None
    return over_all(metric, entry.result)


def unanswered(metric: MetricResult, result: Result) -> int:
    """Items that have no answer and so no score."""
    return 0 if result.n_items is None or metric.n is None else max(0, result.n_items - metric.n - metric.n_undefined)


def over_all(metric: MetricResult, result: Result) -> Estimate:
    """The number that ranks and is shown: over all items, where one without an answer counts as worst; its interval moves along.

    A metric that is not a mean has no such value and keeps that of the answered items; one without an interval gets one of no
    width.
    """
    value = metric.value or 0.0
    shift = 0.0
    if unanswered(metric, result) and metric.strict_value is not None:
        shift = metric.strict_value - value
    low = value if metric.low is None else min(metric.low, value)
    high = value if metric.high is None else max(metric.high, value)
    if not shift:
        return Estimate(value, low, high)
    worst, best = sorted(metric.range)
    return Estimate(value + shift, max(worst, low + shift), min(best, high + shift))


def paired_difference(one: Entry, other: Entry, metric: str) -> Interval | None:
    """The difference of two runs by a paired test on all items of both; None when there was no such test."""
    found = one.paired.get((metric, other.result.config_hash))
    if found is None or found.low is None or found.high is None:
        return None
    return found if found.n == one.result.n_items == other.result.n_items else None


def _row_key(result: Result, models: ModelRegistry) -> RowKey:
    model = result.model
    return RowKey(
        kind=result.kind,
        name=models.name(model.name),
        backend=model.backend,
        revision=model.revision or "",
        settings=json.dumps(model.settings, sort_keys=True),
        source=result.source.title if result.source else "",
    )


def _setting(result: Result) -> Setting:
    context = result.context if result.kind == "run" else None
    return Setting(
        synthetic=result.synthetic,
        protocol=result.protocol,
        track=result.track,
        policy=context.policy if context else "",
        window=context.window if context else None,
        prompt=result.prompt,
    )
