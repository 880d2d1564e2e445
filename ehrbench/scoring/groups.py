"""Group results from scored runs: the members' statistics are read and combined; nothing is scored again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.metrics import METRICS
from ehrbench.results.groups import (
    SUFFIX,
    GroupDefinition,
    GroupMember,
    GroupResult,
    GroupScore,
    SuiteGroups,
    as_result,
    load_groups,
    write_group_results,
)
from ehrbench.results.repeats import as_one
from ehrbench.results.schema import MetricResult, Outcome, Result
from ehrbench.results.store import LIST_SUFFIX, write_result
from ehrbench.runs.folder import slug
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.scoring.repeats import ScoredRun, mean_over_seeds, same_but_for_the_seed, statistics_of
from ehrbench.stats.combine import RepeatedTask, Task, TaskStatistics, UnlikeSeedsError, mean_of_tasks, pool, value_of_task
from ehrbench.stats.estimate import Estimate
from ehrbench.stats.repeats import Repeat
from ehrbench.tasks.catalog import Catalog


class Scored(NamedTuple):
    """A run with its result."""

    run: LoadedRun
    result: Result


def group_results(
    scored: Sequence[Scored], catalog: Catalog, *, allow_partial: bool = False, folders: Sequence[Path] = ()
) -> list[GroupResult]:
    """The groups of every suite that the runs touch, for each model, protocol and prompt apart.

    Args:
        scored: runs and their results; of a task's runs that differ in their seed the means count.
        catalog: which tasks a group has.
        allow_partial: combine what is there where tasks are missing; the result is then marked partial.
        folders: searched for definitions before the shipped ones.

    Raises:
        UsageError: two runs of one task that nothing tells apart.
    """
    kinds: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        result = one.result
        key = [result.suite, result.protocol, result.track, result.prompt, result.synthetic, result.model.model_dump(mode="json")]
        kinds[hash_data(key)].append(one)
    found: list[GroupResult] = []
    for alike in kinds.values():
        definitions = load_groups(alike[0].result.suite, folders)
        if definitions is not None:
            found += _suite(alike, definitions, catalog, allow_partial)
    return found


def write_groups(out: Path, results: Sequence[GroupResult]) -> list[Path]:
    """Write group results below ``out``: a file for each model, suite and protocol, and beside it the numbers as results."""
    files: dict[str, list[GroupResult]] = defaultdict(list)
    for one in results:
        runs = hash_data([one.model.model_dump(mode="json"), one.prompt, one.track, one.synthetic])[:8]
        files[f"{slug(one.model.name)}/{one.suite}.{one.protocol}.{runs}{SUFFIX}"].append(one)
    for name, several in files.items():
        write_group_results(out / name, several)
        as_results = [made for made in map(as_result, several) if made is not None]
        write_result(out / name.replace(SUFFIX, LIST_SUFFIX), as_results)
    return [out / name for name in files]


def _suite(alike: Sequence[Scored], definitions: SuiteGroups, catalog: Catalog, allow_partial: bool) -> list[GroupResult]:
    runs: dict[str, list[Scored]] = defaultdict(list)
    for one in alike:
        runs[one.result.task].append(one)
    by_task = {task: _result_of(several) for task, several in runs.items()}
    protocol = alike[0].result.protocol
    statistics = _Statistics({task: [one.run for one in several] for task, several in runs.items()})
    return [
        _group(definition, definitions, by_task, statistics, catalog, allow_partial)
        for definition in definitions.groups
        if protocol in definition.protocols
    ]


def _result_of(runs: Sequence[Scored]) -> Result:
    """A task's result: of its run, or the means over runs that differ in their seed."""
    if len(runs) == 1:
        return runs[0].result
    alike = same_but_for_the_seed([ScoredRun(*one) for one in runs])
    if len(alike) != 1 or len(alike[0]) < len(runs):
        first, second, *_ = (one.run.folder.path for one in runs)
        raise UsageError(f"two runs of {runs[0].result.task} by one model: {first} and {second}; name one of them")
    return as_one(mean_over_seeds(alike[0]), [one.result for one in alike[0]])


class _Statistics:
    """The members' statistics by task and metric, read once a task."""

    def __init__(self, runs: Mapping[str, Sequence[LoadedRun]]) -> None:
        self._runs = runs
        self._read: dict[str, list[dict[str, Repeat]]] = {}

    def get(self, task: str, metric: str) -> Task | None:
        if task not in self._read:
            self._read[task] = [statistics_of(run) for run in self._runs[task]]
        found = [one[metric] for one in self._read[task] if metric in one]
        if len(found) < len(self._read[task]):
            return None
        described = METRICS.get(metric)
        bounds = described.range if described.bounded else None
        if len(found) == 1:
            return TaskStatistics(found[0].statistics, found[0].groups, described.aggregate, bounds)
        return RepeatedTask(found, described.aggregate, bounds)


class _Member(NamedTuple):
    name: str
    tasks: Sequence[str]
    pooled: bool


def _members(definition: GroupDefinition, catalog: Catalog) -> list[_Member]:
    members: list[_Member] = []
    for part in definition.tasks:
        if isinstance(part, str):
            members += [_Member(name, [name], False) for name in catalog.match(part)]
        else:
            members.append(_Member(part.pooled, catalog.match(part.pooled), True))
    return members


def _metric(result: Result, wanted: GroupScore) -> MetricResult | None:
    if wanted.metric == "primary":
        return result.metric(result.primary)
    return next((metric for metric in result.metrics if fnmatchcase(metric.name, wanted.metric)), None)


def _group(
    definition: GroupDefinition,
    suite: SuiteGroups,
    by_task: Mapping[str, Result],
    statistics: _Statistics,
    catalog: Catalog,
    allow_partial: bool,
) -> GroupResult:
    members = _members(definition, catalog)
    tasks = [task for member in members for task in member.tasks]
    entries = {task: _entry(task, by_task.get(task), definition.scores) for task in tasks}
    here = [task for task in tasks if entries[task].missing is None]
    some = next(iter(by_task.values()))
    scores: list[MetricResult] = []
    drawn: list[int | None] = []
    if definition.combine != "none":
        for k, wanted in enumerate(definition.scores):
            parts = [
                (member, [(task, entries[task].metrics[k]) for task in member.tasks if task in by_task]) for member in members
            ]
            score, n_groups = _score(wanted, definition.combine, parts, len(tasks), statistics, suite, allow_partial)
            scores.append(score)
            drawn.append(n_groups)
    results = [by_task[task] for task in here]
    return GroupResult(
        group=definition.group,
        title=definition.title,
        suite=suite.suite,
        protocol=some.run_protocol,
        track=some.track,
        prompt=some.prompt,
        model=some.model,
        combine=definition.combine,
        column=definition.column,
        synthetic=some.synthetic,
        data_policy="credentialed" if any(result.data_policy == "credentialed" for result in results) else "open",
        n_tasks=len(here),
        n_tasks_expected=len(tasks),
        n_items=sum(result.n_items or 0 for result in results),
        n_groups=min((n for n in drawn if n is not None), default=None),
        outcomes=_outcomes(results),
        partial=len(here) < len(tasks) or any(entry.partial for entry in entries.values()),
        scores=scores,
        members=list(entries.values()),
        caveats=list(dict.fromkeys(caveat for result in results for caveat in result.caveats)),
        environment=some.environment,
        command=some.command,
    )


def _outcomes(results: Sequence[Result]) -> dict[Outcome, int]:
    counts: Counter[Outcome] = Counter()
    for result in results:
        counts.update(result.outcomes)
    return dict(counts)


def _entry(task: str, result: Result | None, wanted: Sequence[GroupScore]) -> GroupMember:
    if result is None:
        return GroupMember(task=task, missing="not run")
    found: list[MetricResult] = []
    for one in wanted:
        metric = _metric(result, one)
        if metric is None:
            metric = MetricResult(name=one.metric, label=one.label, value=None, n=0, missing=f"has no metric {one.metric}")
        found.append(metric)
    gap = next((m for m, one in zip(found, wanted, strict=True) if m.value is None and one.where == "all"), None)
    return GroupMember(
        task=task,
        config_hash=result.config_hash,
        n_items=result.n_items,
        partial=result.partial,
        metrics=found,
        missing=None if gap is None else gap.missing,
    )


_Parts = Sequence[tuple[_Member, Sequence[tuple[str, MetricResult]]]]


def _score(
    wanted: GroupScore,
    combine: Literal["mean", "pooled"],
    parts: _Parts,
    n_expected: int,
    statistics: _Statistics,
    suite: SuiteGroups,
    allow_partial: bool,
) -> tuple[MetricResult, int | None]:
    """A group's number, and how many clusters its interval rests on."""
    shared = suite.resample == "shared"
    units: list[Task] = []
    metrics: list[MetricResult] = []
    fault = ""
    try:
        for member, found in parts:
            read = [(statistics.get(task, metric.name), metric) for task, metric in found if metric.value is not None]
            present = [(one, metric) for one, metric in read if one is not None]
            metrics += [metric for _, metric in present]
            if member.pooled and present:
                units.append(pool([one for one, _ in present], shared=shared))
            else:
                units += [one for one, _ in present]
        if combine == "pooled" and units:
            units = [pool(units, shared=shared)]
    except UnlikeSeedsError as error:
        fault = str(error)
    n_here = len(metrics)
    common: dict[str, Any] = {"name": wanted.metric, "label": wanted.label}
    if metrics:
        ranges = [metric.range for metric in metrics]  # those of metrics without bounds differ
        widest = (min(low for low, _ in ranges), max(high for _, high in ranges))
        common |= {"range": widest, "higher_is_better": metrics[0].higher_is_better}
        common["name"] = Counter(metric.name for metric in metrics).most_common(1)[0][0]
    coverage = f"{n_here} of {n_expected} tasks have it"
    if fault or not units:
        return MetricResult(value=None, n=0, missing=fault or coverage, **common), None
    if n_here < n_expected and not allow_partial:
        return MetricResult(value=None, n=0, missing=f"{coverage}; --allow-partial combines them", **common), None
    made = _combined(units, suite)
    if made.value is None:
        return MetricResult(value=None, n=0, missing=made.reason or "not defined for these items", **common), made.n_groups
    score = MetricResult(
        value=made.value,
        low=made.low,
        high=made.high,
        interval=made.method or f"none: {made.reason}",
        caution=made.caution,
        n=made.n,
        note="; ".join(filter(None, [coverage if n_here < n_expected else "", _unlike(metrics)])),
        baseline=_baseline(metrics) if combine == "mean" else None,
        **common,
    )
    return score, made.n_groups


def _unlike(metrics: Sequence[MetricResult]) -> str:
    names = dict.fromkeys(metric.name for metric in metrics)
    return f"over tasks with different metrics: {', '.join(names)}" if len(names) > 1 else ""


def _combined(units: Sequence[Task], suite: SuiteGroups) -> Estimate:
    if len(units) == 1:
        return value_of_task(units[0], unit=suite.unit)
    return mean_of_tasks(units, shared=suite.resample == "shared", unit=suite.unit)


def _baseline(metrics: Sequence[MetricResult]) -> float | None:
    """The mean of the members' majority scores, where each has one."""
    values = [metric.baseline for metric in metrics if metric.baseline is not None]
    return sum(values) / len(metrics) if len(values) == len(metrics) else None
