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


def pool(tasks: Sequence[TaskStatistics], *, shared: bool = False) -> TaskStatistics:
    """The items of several tasks as those of one; clusters of different tasks stay apart unless they are ``shared``.

    Raises:
        ValueError: the tasks have different aggregates.
    """
    if len({task.aggregate for task in tasks}) != 1:
        raise ValueError("tasks with different aggregates cannot be pooled")
    matrix = np.concatenate([check_statistics(task.statistics, None) for task in tasks])
    groups = [
        None if group is None else group if shared else f"{i} {group}" for i, task in enumerate(tasks) for group in task.groups
    ]
    return TaskStatistics(matrix, groups, tasks[0].aggregate, tasks[0].bounds)


def mean_of_tasks(tasks: Sequence[TaskStatistics], *, shared: bool, level: float = 0.95, unit: str | None = None) -> Estimate:
    """The unweighted mean of the tasks' values, with an interval combined from theirs (MOVER, Zou and Donner 2008).

    Args:
        tasks: at least one.
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
    singles = [
        estimate(task.statistics, task.groups, task.aggregate, bounds=task.bounds, level=level, unit=unit) for task in tasks
    ]
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
    method = f"mean of {len(tasks)} tasks' intervals, jackknife over {n_groups} {unit} {drawn}"
    cautions = [single.caution for single in singles if single.caution]
    caution = f"in {len(cautions)} of {len(tasks)} tasks {cautions[0]}" if cautions else ""
    return Estimate(mean, low, high, n, n_groups, method, caution=caution)


def _correlation(tasks: Sequence[TaskStatistics], values: Sequence[float], codes: IntArray, n_groups: int) -> FloatArray:
    """How the tasks' values vary together when the clusters that they share are left out one by one."""
    codes, n_groups = join_blocks(codes, n_groups)
    ends = np.cumsum([len(task.groups) for task in tasks])[:-1]
    moved = np.zeros((n_groups, len(tasks)))
    for k, (task, own) in enumerate(zip(tasks, np.split(codes, ends), strict=True)):
        how = AGGREGATES[task.aggregate]
        rest = leave_one_out(how, check_statistics(task.statistics, how.columns), own, n_groups).rest
        defined = ~np.isnan(rest)
        totals, counts = np.where(defined, rest, 0.0).sum(axis=1), defined.sum(axis=1)
        without = np.divide(totals, counts, out=np.full(n_groups, values[k]), where=counts > 0)
        moved[:, k] = values[k] - without
    return correlations(moved, centre=False)
