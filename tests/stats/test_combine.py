"""Means over tasks: values by hand, intervals against the estimator of one task and against a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.stats.combine import RepeatedTask, TaskStatistics, UnlikeSeedsError, mean_of_tasks, pool, value_of_task
from ehrbench.stats.estimate import estimate
from ehrbench.stats.interval import wilson
from ehrbench.stats.repeats import Repeat


def task(*values: float, groups: list[str | None] | None = None) -> TaskStatistics:
    return TaskStatistics([[v] for v in values], groups or [None] * len(values), "mean")


def test_mean_is_unweighted() -> None:
    made = mean_of_tasks([task(1, 0), task(1, 1, 1, 0)], shared=False)
    assert made.value == pytest.approx((0.5 + 0.75) / 2)
    assert (made.n, made.n_groups) == (6, 6)


def test_pooled_is_weighted_by_items() -> None:
    pooled = pool([task(1, 0), task(1, 1, 1, 0)])
    assert value_of_task(pooled).value == pytest.approx(4 / 6)


def test_pooled_clusters_of_unlike_tasks_stay_apart() -> None:
    pooled = pool([task(1, 0, groups=["p", "p"]), task(1, 1, groups=["p", None])])
    assert value_of_task(pooled).n_groups == 3
    assert value_of_task(pool([task(1, 0, groups=["p", "p"]), task(1, 1, groups=["p", None])], shared=True)).n_groups == 2


def test_micro_f1_of_tasks_is_averaged_over_tasks() -> None:
    one = TaskStatistics([[1, 0, 0], [1, 1, 1]], [None, None], "micro_f1")  # 4 / 6
    other = TaskStatistics([[0, 1, 0], [2, 0, 0]], [None, None], "micro_f1")  # 4 / 5
    assert mean_of_tasks([one, other], shared=False).value == pytest.approx((4 / 6 + 4 / 5) / 2)


def test_the_same_task_twice_has_its_own_interval_when_shared_and_a_narrower_one_when_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(60)
    one = task(*values, groups=[f"p{i}" for i in range(60)])
    alone = estimate(*one[:3])
    shared = mean_of_tasks([one, one], shared=True)
    apart = mean_of_tasks([one, one], shared=False)
    assert shared.high - shared.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert apart.high - apart.low == pytest.approx((alone.high - alone.low) / np.sqrt(2), rel=0.08)


def test_order_of_items_changes_nothing() -> None:
    values = [0.1, 0.9, 0.4, 0.4, 0.7]
    assert mean_of_tasks([task(*values)], shared=False) == mean_of_tasks([task(*reversed(values))], shared=False)


def test_what_has_no_interval_says_why() -> None:
    made = mean_of_tasks([task(1, 0), task(1, groups=["p"])], shared=False)
    assert (made.value, made.low) == (0.75, None)
    assert made.reason == "a task has no interval: one group only: nothing to compare it with"
    with pytest.raises(ValueError, match="no tasks"):
        mean_of_tasks([], shared=True)
    with pytest.raises(ValueError, match="without items"):
        mean_of_tasks([task()], shared=True)


def test_tasks_without_a_right_answer_are_not_sure_of_it() -> None:
    made = mean_of_tasks([task(*[0] * 10), task(*[0] * 1000)], shared=False)
    assert (made.value, made.low) == (0.0, 0.0)
    # The first task alone may be as high as Wilson's end of 0 of 10.
    assert made.high == pytest.approx(np.hypot(wilson(0, 10)[1], wilson(0, 1000)[1]) / 2)
    assert made.caution.startswith("in 1 of 2 tasks only 10 items")


def test_what_tasks_share_is_counted_once() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(80)
    groups = [f"p{i}" for i in range(80)]
    tasks = [task(*np.clip(hard + 0.1 * rng.normal(size=80), 0, 1), groups=groups) for _ in range(4)]
    shared, apart = mean_of_tasks(tasks, shared=True), mean_of_tasks(tasks, shared=False)
    assert shared.high - shared.low > 1.6 * (apart.high - apart.low)
    assert shared.method == "mean of 4 tasks' intervals, jackknife over 80 groups which the tasks share"
    assert (shared.n_groups, apart.n_groups) == (80, 320)


def repeated(scores: np.ndarray, groups: list[str | None]) -> RepeatedTask:
    """A task of [items, seeds]."""
    items = [str(i) for i in range(len(scores))]
    return RepeatedTask([Repeat(own[:, None], items, groups) for own in scores.T], "mean")


@pytest.mark.parametrize("shared", [True, False])
def test_tasks_under_several_seeds_have_the_mean_and_interval_of_the_means_of_their_items(shared: bool) -> None:
    """Of a mean of scores, whose mean over seeds is the mean of the items' means."""
    rng = np.random.default_rng(1)
    groups: list[str | None] = [f"p{i // 2}" for i in range(40)]
    ability = rng.normal(0.5, 0.1, 40)
    scores = [ability[:, None] + rng.normal(0, 0.2, (40, 3)) for _ in range(2)]
    made = mean_of_tasks([repeated(one, groups) for one in scores], shared=shared)
    plain = mean_of_tasks([TaskStatistics(one.mean(axis=1)[:, None], groups, "mean") for one in scores], shared=shared)
    assert (made.value, made.low, made.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert made.n_groups == plain.n_groups == (20 if shared else 40)
    assert made.method.endswith(", means over 3 seeds")
    mixed = mean_of_tasks([repeated(scores[0], groups), TaskStatistics(scores[1][:, :1], groups, "mean")], shared=shared)
    assert mixed.value == pytest.approx((scores[0].mean() + scores[1][:, 0].mean()) / 2)


def test_pooled_tasks_are_put_together_seed_by_seed() -> None:
    scores = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    several, once = repeated(scores, ["p", "q", None]), task(1, groups=["p"])
    pooled = pool([several, once], shared=True)
    assert isinstance(pooled, RepeatedTask)
    made = value_of_task(pooled)
    assert made.value == pytest.approx(((1 + 0 + 1 + 1) / 4 + (0 + 0 + 1 + 1) / 4) / 2)
    assert (made.n, made.n_groups) == (4, 3)
    with pytest.raises(UnlikeSeedsError, match="different numbers of seeds"):
        pool([several, repeated(scores[:, [0, 0, 1]], [None] * 3)])
