"""Intervals: against scipy's bootstrap, by hand, and in the degenerate cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats.aggregate import AGGREGATES
from ehrbench.stats.estimate import (
    clustered_stderr,
    estimate,
    normal_interval,
    resample_counts,
    resample_indices,
    wilson,
)

RNG = np.random.default_rng(0)
SCORES = RNG.random(80)
ALONE = [None] * 80
PATIENTS = [f"p{i // 4}" for i in range(80)]


def test_interval_of_a_mean_is_near_scipys_and_the_normal_one():
    from scipy.stats import bootstrap

    got = estimate(SCORES, ALONE, "mean", seed=1)
    other = bootstrap((SCORES,), np.mean, n_resamples=10_000, method="percentile", rng=2).confidence_interval
    assert got.value == pytest.approx(SCORES.mean())
    assert (got.low, got.high) == pytest.approx((other.low, other.high), abs=0.004)
    assert (got.low, got.high) == pytest.approx(normal_interval(got.value, clustered_stderr(SCORES, ALONE)), abs=0.006)
    assert got.method == "percentile bootstrap, 10000 resamples of 80 items"
    assert (got.n, got.n_groups, got.n_degenerate, got.reason) == (80, 80, 0, None)


def test_clusters_are_resampled_whole():
    # Four copies of each value in one patient carry no more than one: the interval is that of the 20 patients.
    twenty = SCORES[:20]
    whole = estimate(np.repeat(twenty, 4), PATIENTS, "mean", unit="patients")
    alone = estimate(twenty, [None] * 20, "mean")
    assert (whole.low, whole.high) == pytest.approx((alone.low, alone.high), abs=1e-12)
    assert whole.method.endswith("of 20 patients")


@pytest.mark.parametrize("name", ["mean", "micro_f1", "macro_f1", "corpus_bleu", "auroc", "auprc", "ece", "brier"])
@pytest.mark.parametrize("groups", [ALONE, PATIENTS])
def test_order_of_items_changes_nothing(name, groups):
    columns = AGGREGATES[name].columns or 6
    rows = np.random.default_rng(7).integers(1, 5, size=(80, columns)).astype(float)
    if name in ("auroc", "auprc", "ece", "brier"):
        rows = np.column_stack([rows[:, 0] > 2, rows[:, 1] / 5])
    shuffle = np.random.default_rng(8).permutation(80)
    assert estimate(rows, groups, name, resamples=300) == estimate(
        rows[shuffle], [groups[i] for i in shuffle], name, resamples=300
    )


@pytest.mark.parametrize("name", ["micro_f1", "corpus_bleu", "auroc"])
def test_the_draws_are_those_of_the_weight_matrix(name):
    columns = AGGREGATES[name].columns
    rows = np.random.default_rng(9).integers(1, 6, size=(40, columns)).astype(float)
    if name == "auroc":
        rows = np.column_stack([rows[:, 0] > 2, rows[:, 1]])
    rows = rows[np.lexsort(rows.T[::-1])]  # the order of content, in which the draws are made
    counts = np.concatenate([resample_counts(i) for i in resample_indices(40, 500, 3)])
    assert (counts.sum(axis=1) == 40).all()
    expected = np.quantile(AGGREGATES[name](rows, counts), [0.025, 0.975])
    got = estimate(rows, [None] * 40, name, resamples=500, seed=3)
    assert (got.low, got.high) == pytest.approx(tuple(expected), abs=1e-12)


def test_seed_decides():
    assert estimate(SCORES, ALONE, "mean", seed=1) == estimate(SCORES, ALONE, "mean", seed=1)
    assert estimate(SCORES, ALONE, "mean", seed=1) != estimate(SCORES, ALONE, "mean", seed=2)


def test_nothing_and_one_cluster():
    empty = estimate([], [], "mean")
    assert (empty.value, empty.low, empty.n, empty.reason) == (None, None, 0, "no item has a score")
    assert estimate(np.empty((0, 3)), [], "micro_f1").value is None
    one = estimate([0.2, 0.4], ["a", "a"], "mean")
    assert one.value == pytest.approx(0.3)
    assert one.low is None and one.high is None and "one group" in one.reason


def test_constant_values():
    right = estimate([1.0] * 10, [None] * 10, "mean")
    assert (right.low, right.high) == pytest.approx((0.7224672, 1.0), abs=1e-7)
    assert right.method.startswith("Wilson")
    wrong = estimate([0.0] * 10, [f"p{i // 2}" for i in range(10)], "mean")
    assert (wrong.low, wrong.high) == pytest.approx((0.0, wilson(0, 5)[1]))
    same = estimate([0.25] * 10, [None] * 10, "mean")
    assert (same.low, same.high) == (0.25, 0.25)


def test_one_class_resamples_are_counted_not_imputed():
    rows = [[1, 0.9]] + [[0, 0.1 * i] for i in range(9)]
    got = estimate(rows, [None] * 10, "auroc", resamples=2000)
    assert got.value == pytest.approx(1.0)
    # the one positive is missed by (9/10)^10 = 35 % of the resamples
    assert got.n_degenerate == pytest.approx(2000 * 0.9**10, abs=80)
    undefined = estimate([[1, 0.9], [1, 0.8]], [None, None], "auroc")
    assert undefined.value is None and "both classes" in undefined.reason
    half = estimate([[1, 0.9], [0, 0.8]], [None, None], "auroc", resamples=2000)
    assert half.value == 1.0 and (half.low is None) == (half.n_degenerate >= 1000)


def test_clustered_stderr_by_hand():
    # deviations -1, 0 | 1, 0: cluster sums -1 and 1 -> sqrt(2) / 4
    assert clustered_stderr([0, 1, 2, 1], ["a", "a", "b", "b"]) == pytest.approx(math.sqrt(2) / 4)
    assert clustered_stderr([0, 2], [None, None]) == pytest.approx(math.sqrt(2) / 2)
    assert math.isnan(clustered_stderr([0, 1], ["a", "a"]))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_clustered_stderr_of_single_items_is_the_usual_one(values):
    n = len(values)
    assert clustered_stderr(values, [None] * n) == pytest.approx(np.std(values) / math.sqrt(n), abs=1e-12)


def test_wilson_of_the_medalign_counts():
    assert wilson(197, 303) == pytest.approx((0.59488, 0.70172), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError):
        wilson(4, 3)
