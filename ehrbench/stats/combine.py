"""One number over several tasks: the unweighted mean of their values, or the value of their items put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Aggregate, FloatArray, Ranked, Weights, check_statistics
from ehrbench.stats.estimate import Estimate, IntArray, cluster_codes, resample_counts, resample_indices


class TaskStatistics(NamedTuple):
    """What one task contributes."""

    statistics: npt.ArrayLike
    """[n, k], finite, of the items for which the metric is defined; n at least 1."""
    groups: Sequence[str | None]
    """The cluster of each item; None for an item that stands alone."""
    aggregate: str
    """A name in ``AGGREGATES``."""


def pool(tasks: Sequence[TaskStatistics], *, shared: bool = False) -> TaskStatistics:
    """The items of several tasks as those of one; clusters of unlike tasks stay apart unless they are ``shared``.

    Raises:
        ValueError: the tasks have unlike aggregates.
    """
    if len({task.aggregate for task in tasks}) != 1:
        raise ValueError("tasks with unlike aggregates cannot be pooled")
    matrix = np.concatenate([check_statistics(task.statistics, None) for task in tasks])
    groups = [
        None if group is None else group if shared else f"{i} {group}" for i, task in enumerate(tasks) for group in task.groups
    ]
    return TaskStatistics(matrix, groups, tasks[0].aggregate)


def mean_of_tasks(
    tasks: Sequence[TaskStatistics], *, shared: bool, resamples: int = 10_000, seed: int = 0, unit: str | None = None
) -> Estimate:
    """The unweighted mean of the tasks' values with a percentile bootstrap interval over clusters.

    Args:
        tasks: at least one.
        shared: True where the same clusters (patients) stand behind several tasks: one draw of clusters then weighs the items of
            every task, so that what the tasks have in common counts once. False draws each task's clusters apart.
        resamples: bootstrap resamples.
        seed: of the numpy generator; task i of the unshared draw has ``seed + i``.
        unit: what a cluster is, in the plural; default "groups", or "items" where all are single.

    Returns:
        The estimate; ``n`` counts items, ``n_groups`` clusters. No interval where a task has one cluster only, or where the mean
        is undefined in half of the resamples or more.

    Raises:
        ValueError: no task, or a task without items.
    """
    if not tasks:
        raise ValueError("no tasks")
    prepared = [_prepare(task) for task in tasks]
    n = sum(len(task.matrix) for task in prepared)
    values = [float(task.values(np.ones((1, len(task.matrix))))[0]) for task in prepared]
    coded = _shared_codes(prepared) if shared else [cluster_codes(task.groups) for task in prepared]
    n_groups = coded[0][1] if shared else sum(count for _, count in coded)
    if any(math.isnan(value) for value in values):
        return Estimate(None, None, None, n, n_groups, "", reason="a task's value is not defined")
    value = float(np.mean(values))
    if min(count for _, count in coded) < 2:
        return Estimate(value, None, None, n, n_groups, "", reason="a task has one group only: nothing to resample")
    draws = np.zeros(resamples)
    done = 0
    if shared:
        for indices in resample_indices(n_groups, resamples, seed):
            counts = resample_counts(indices)
            rows = slice(done, done + len(indices))
            for task, (codes, _) in zip(prepared, coded, strict=True):
                draws[rows] += task.values(counts[:, codes])
            done += len(indices)
    else:
        for i, (task, (codes, count)) in enumerate(zip(prepared, coded, strict=True)):
            done = 0
            for indices in resample_indices(count, resamples, seed + i):
                draws[done : done + len(indices)] += task.values(resample_counts(indices)[:, codes])
                done += len(indices)
    draws /= len(tasks)
    defined = draws[~np.isnan(draws)]
    n_degenerate = resamples - len(defined)
    if 2 * n_degenerate >= resamples:
        return Estimate(value, None, None, n, n_groups, "", n_degenerate, f"undefined in {n_degenerate} of {resamples} resamples")
    low, high = (float(x) for x in np.quantile(defined, [0.025, 0.975]))
    unit = unit or ("items" if n_groups == n else "groups")
    how_drawn = "drawn for all tasks at once" if shared else "drawn task by task"
    method = f"percentile bootstrap of the mean of {len(tasks)} tasks, {resamples} resamples of {n_groups} {unit} {how_drawn}"
    return Estimate(value, low, high, n, n_groups, method, n_degenerate)


class _Prepared(NamedTuple):
    how: Aggregate
    matrix: FloatArray
    """In the order that the aggregate wants, or in an order of its content."""
    groups: Sequence[str | None]

    def values(self, weights: Weights) -> FloatArray:
        if isinstance(self.how, Ranked):
            return self.how.value(self.matrix, weights)
        return self.how(self.matrix, weights)


def _prepare(task: TaskStatistics) -> _Prepared:
    how = AGGREGATES[task.aggregate]
    matrix = check_statistics(task.statistics, how.columns)
    if not len(matrix):
        raise ValueError("a task without items has no place in a mean")
    if len(task.groups) != len(matrix):
        raise ValueError(f"{len(matrix)} rows of statistics but {len(task.groups)} groups")
    order = how.order(matrix) if isinstance(how, Ranked) else np.lexsort(matrix.T[::-1])
    return _Prepared(how, matrix[order], [task.groups[i] for i in order.tolist()])


def _shared_codes(tasks: Sequence[_Prepared]) -> list[tuple[IntArray, int]]:
    """The clusters of all tasks in one numbering."""
    codes, count = cluster_codes([group for task in tasks for group in task.groups])
    ends = np.cumsum([len(task.groups) for task in tasks])[:-1]
    return [(part, count) for part in np.split(codes, ends)]
