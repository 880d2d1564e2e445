"""One number over several tasks: the unweighted mean of their values, or the value of their items put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, check_statistics
from ehrbench.stats.clusters import FloatArray, IntArray, cluster_codes
from ehrbench.stats.estimate import Estimate, estimate
from ehrbench.stats.interval import Bounds, correlations, mean_interval
from ehrbench.stats.jackknife import join_blocks, leave_one_out
from ehrbench.stats.repeats import Repeat, estimate_repeats


class UnlikeSeedsError(ValueError):
    """Tasks that cannot be put together, since they were run under different numbers of seeds."""


class TaskStatistics(NamedTuple):
    """What one task contributes."""

    statistics: npt.ArrayLike
    """[n, k], finite, of the items for which the metric is defined; n at least 1."""
    groups: Sequence[str | None]
    """The cluster of each item; None for an item that stands alone."""
    aggregate: str
    """A name in ``AGGREGATES``."""
    bounds: Bounds | None = None
    """Smallest and largest possible value, where the aggregate has none of its own."""


class RepeatedTask(NamedTuple):
    """What one task contributes that was run under several seeds: its value is the mean over them."""

    repeats: Sequence[Repeat]
    """One for each seed, at least two."""
    aggregate: str
    bounds: Bounds | None = None

    @property
    def cluster_of(self) -> dict[str, str | None]:
        """The cluster of each item that has a score under any seed, by the item's id and in its order."""
        found = {item: group for one in self.repeats for item, group in zip(one.items, one.groups, strict=True)}
        return dict(sorted(found.items()))

    @property
    def groups(self) -> list[str | None]:
        """The cluster of each of these items."""
        return list(self.cluster_of.values())


Task = TaskStatistics | RepeatedTask


def value_of_task(task: Task, *, level: float = 0.95, unit: str | None = None) -> Estimate:
    """A task's own value and interval: over its items, or over its items and seeds."""
    if isinstance(task, RepeatedTask):
        return estimate_repeats(task.repeats, task.aggregate, bounds=task.bounds, level=level, unit=unit)
    return estimate(task.statistics, task.groups, task.aggregate, bounds=task.bounds, level=level, unit=unit)


def pool(tasks: Sequence[Task], *, shared: bool = False) -> Task:
    """The items of several tasks as those of one; clusters of different tasks stay apart unless they are ``shared``.

    Where some tasks were run under several seeds, each seed's items are put together; a task that was run once gives the same
    items to every seed.

    Raises:
        ValueError: the tasks have different aggregates.
        UnlikeSeedsError: some were run under several seeds, and not all of those under as many.
    """
    if len({task.aggregate for task in tasks}) != 1:
        raise ValueError("tasks with different aggregates cannot be pooled")
    counts = {len(task.repeats) for task in tasks if isinstance(task, RepeatedTask)}
    if len(counts) > 1:
        raise UnlikeSeedsError("its tasks were run under different numbers of seeds")
    pooled = [_pooled([_repeat(task, k) for task in tasks], shared) for k in range(max(counts, default=1))]
    how, bounds = tasks[0].aggregate, tasks[0].bounds
    return RepeatedTask(pooled, how, bounds) if counts else TaskStatistics(pooled[0].statistics, pooled[0].groups, how, bounds)


def _repeat(task: Task, k: int) -> Repeat:
    if isinstance(task, RepeatedTask):
        return task.repeats[k]
    return Repeat(task.statistics, [str(i) for i in range(len(task.groups))], task.groups)


def _pooled(parts: Sequence[Repeat], shared: bool) -> Repeat:
    return Repeat(
        np.concatenate([check_statistics(part.statistics, None) for part in parts]),
        [f"{i} {item}" for i, part in enumerate(parts) for item in part.items],
        [None if g is None else g if shared else f"{i} {g}" for i, part in enumerate(parts) for g in part.groups],
    )


def mean_of_tasks(tasks: Sequence[Task], *, shared: bool, level: float = 0.95, unit: str | None = None) -> Estimate:
    """The unweighted mean of the tasks' values, with an interval combined from theirs (MOVER, Zou and Donner 2008).

    Args:
        tasks: at least one; the value of one under several seeds is the mean over them, its interval that of items and seeds.
        shared: True where the same clusters (patients) stand behind several tasks: the tasks' values are then taken for as
            correlated as leaving out one cluster at a time shows them to be. False takes the tasks for independent.
        level: of the interval.
        unit: what a cluster is, in the plural; default "groups", or "items" where all are single.

    Returns:
        The estimate; ``n`` counts items, ``n_groups`` clusters. No interval where a task has none.

    Raises:
        ValueError: no task, or a task without items.
    """
    if not tasks:
        raise ValueError("no tasks")
    if any(not len(task.groups) for task in tasks):
        raise ValueError("a task without items has no place in a mean")
    singles = [value_of_task(task, level=level, unit=unit) for task in tasks]
    n = sum(single.n for single in singles)
    codes, n_groups = cluster_codes([group for task in tasks for group in task.groups])
    if not shared:
        n_groups = sum(single.n_groups for single in singles)
    values = [single.value for single in singles]
    if any(value is None for value in values):
        return Estimate(None, None, None, n, n_groups, "", "a task's value is not defined")
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known)
    lacking = next((single.reason for single in singles if single.low is None), None)
    ends = [(single.low, single.high) for single in singles if single.low is not None and single.high is not None]
    if len(ends) < len(singles):
        return Estimate(mean, None, None, n, n_groups, "", f"a task has no interval: {lacking}")
    correlation = _correlation(tasks, known, codes, n_groups) if shared else np.eye(len(tasks))
    low, high = mean_interval(known, ends, correlation)
    bounds = [how.bounds or task.bounds for task in tasks if (how := AGGREGATES[task.aggregate])]
    if all(bounds):
        low = max(low, sum(pair[0] for pair in bounds if pair) / len(bounds))
        high = min(high, sum(pair[1] for pair in bounds if pair) / len(bounds))
    unit = unit or ("items" if n_groups == n else "groups")
    drawn = "which the tasks share" if shared else "task by task"
    seeds = {len(task.repeats) for task in tasks if isinstance(task, RepeatedTask)}
    over = f", means over {' and '.join(map(str, sorted(seeds)))} seeds" if seeds else ""
    method = f"mean of {len(tasks)} tasks' intervals, jackknife over {n_groups} {unit} {drawn}{over}"
    cautions = [single.caution for single in singles if single.caution]
    caution = f"in {len(cautions)} of {len(tasks)} tasks {cautions[0]}" if cautions else ""
    return Estimate(mean, low, high, n, n_groups, method, caution=caution)


def _correlation(tasks: Sequence[Task], values: Sequence[float], codes: IntArray, n_groups: int) -> FloatArray:
    """How the tasks' values vary together when the clusters that they share are left out one by one."""
    codes, n_groups = join_blocks(codes, n_groups)
    ends = np.cumsum([len(task.groups) for task in tasks])[:-1]
    moved = np.zeros((n_groups, len(tasks)))
    for k, (task, own) in enumerate(zip(tasks, np.split(codes, ends), strict=True)):
        rest = _rest(task, own, n_groups)
        defined = ~np.isnan(rest)
        totals, counts = np.where(defined, rest, 0.0).sum(axis=1), defined.sum(axis=1)
        without = np.divide(totals, counts, out=np.full(n_groups, values[k]), where=counts > 0)
        moved[:, k] = values[k] - without
    return correlations(moved, centre=False)


def _rest(task: Task, codes: IntArray, n_groups: int) -> FloatArray:
    """The task's value, or its classes' values, without each cluster: float[C, K]; the mean over its seeds."""
    how = AGGREGATES[task.aggregate]
    if isinstance(task, TaskStatistics):
        return leave_one_out(how, check_statistics(task.statistics, how.columns), codes, n_groups).rest
    code_of = dict(zip(task.cluster_of, codes.tolist(), strict=True))
    found = [
        leave_one_out(
            how,
            check_statistics(one.statistics, how.columns),
            np.array([code_of[item] for item in one.items], dtype=np.intp),
            n_groups,
        ).rest
        for one in task.repeats
    ]
    return np.asarray(np.mean(np.stack(found), axis=0), dtype=np.float64)
