"""Means over seeds from scored runs: the items' statistics are read and combined; nothing is scored again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.jsonl import read_rows
from ehrbench.metrics import METRICS
from ehrbench.results.repeats import Repeats, write_repeats
from ehrbench.results.schema import MetricResult, Result
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.stats.repeats import Repeat, estimate_repeats


class ScoredRun(NamedTuple):
    """A run with its result."""

    run: LoadedRun
    result: Result


def same_but_for_the_seed(runs: Sequence[ScoredRun]) -> list[list[ScoredRun]]:
    """Runs in sets of two and more that differ in nothing but their seed, each in the order of the seeds."""
    sets: defaultdict[str, list[ScoredRun]] = defaultdict(list)
    for one in runs:
        sets[_but_for_the_seed(one.run)].append(one)
    return [sorted(own, key=_seed) for own in sets.values() if len({_seed(one) for one in own}) > 1]


def write_means(runs: Sequence[ScoredRun]) -> list[Repeats]:
    """The means over seeds of runs that differ in nothing else, written beside them."""
    found = []
    for own in same_but_for_the_seed(runs):
        found.append(mean_over_seeds(own))
        write_repeats(own[0].run.folder.path.parent, found[-1])
    return found


def mean_over_seeds(runs: Sequence[ScoredRun]) -> Repeats:
    """The mean of each metric over runs that differ in their seed, with an interval over items and seeds.

    Raises:
        UsageError: fewer than two runs, two of one seed, or runs that differ in more.
    """
    seeds = [_seed(one) for one in runs]
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise UsageError(f"a mean over seeds needs runs of two seeds or more, each once; given are the seeds {seeds}")
    if len({_but_for_the_seed(one.run) for one in runs}) > 1:
        raise UsageError(
            "a mean over seeds needs runs that differ in nothing but their seed; `ehrbench compare` says in what two do"
        )
    first = runs[0].result
    read = [statistics_of(one.run) for one in runs]
    names = dict.fromkeys(metric.name for one in runs for metric in one.result.metrics)
    found = {name: [one.result.metric(name) for one in runs] for name in names}
    return Repeats(
        task=first.task,
        protocol=first.run_protocol,
        track=first.track,
        prompt=first.prompt,
        model=first.model,
        synthetic=first.synthetic,
        partial=any(one.result.partial for one in runs),
        n_items=len(runs[0].run.items),
        seeds=seeds,
        config_hashes=[one.result.config_hash for one in runs],
        metrics=[_mean(name, own, seeds, [one.get(name) for one in read]) for name, own in found.items()],
        by_seed={name: [None if metric is None else metric.value for metric in own] for name, own in found.items()},
        primary=first.primary,
    )


def _seed(one: ScoredRun) -> int:
    return int(one.run.manifest["config"]["seed"])


def _but_for_the_seed(run: LoadedRun) -> str:
    return hash_data({**run.manifest["config"], "seed": None})


def statistics_of(run: LoadedRun) -> dict[str, Repeat]:
    """The statistics of a run's items by metric."""
    groups = {item.id: item.group for item in run.items}
    rows: defaultdict[str, tuple[list[list[float]], list[str]]] = defaultdict(lambda: ([], []))
    for row in read_rows(run.folder.scores):
        values = row.get("statistics") or [row["score"]]
        if values[0] is not None and row["item"] in groups:
            rows[row["metric"]][0].append(values)
            rows[row["metric"]][1].append(row["item"])
    return {name: Repeat(values, items, [groups[item] for item in items]) for name, (values, items) in rows.items()}


def _mean(
    name: str, found: Sequence[MetricResult | None], seeds: Sequence[int], repeats: Sequence[Repeat | None]
) -> MetricResult:
    there = [metric for metric in found if metric is not None]
    facts: dict[str, Any] = {
        **there[0].model_dump(include={"name", "label", "higher_is_better", "signature", "note"}),
        "range": (min(metric.range[0] for metric in there), max(metric.range[1] for metric in there)),
    }
    for metric, seed in zip(found, seeds, strict=True):
        if metric is None or metric.value is None:
            why = "it was not asked for" if metric is None else metric.missing
            return MetricResult(value=None, n=0, missing=f"no value under seed {seed}: {why}", **facts)
    values = [metric.value for metric in there if metric.value is not None]
    strict = [metric.strict_value for metric in there if metric.strict_value is not None]
    baseline = [metric.baseline for metric in there if metric.baseline is not None]
    facts |= {
        "strict_value": sum(strict) / len(strict) if len(strict) == len(seeds) else None,
        "baseline": sum(baseline) / len(baseline) if len(baseline) == len(seeds) else None,
    }
    own = [one for one in repeats if one is not None]
    if len(own) < len(seeds):
        n = min(metric.n or 0 for metric in there)
        mean = sum(values) / len(values)
        return MetricResult(value=mean, n=n, interval="none: it is not made of scores of single items", **facts)
    described = METRICS.get(name)
    made = estimate_repeats(own, described.aggregate, bounds=described.range if described.bounded else None)
    if made.value is None:
        return MetricResult(value=None, n=made.n, missing=made.reason or "not defined for these items", **facts)
    if not described.bounded:
        ends = [end for end in (made.low, made.high) if end is not None]
        facts["range"] = min([facts["range"][0], *ends]), max([facts["range"][1], *ends])
    method = made.method or f"none: {made.reason}"
    return MetricResult(value=made.value, low=made.low, high=made.high, interval=method, caution=made.caution, n=made.n, **facts)
