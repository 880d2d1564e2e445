"""Paired tests: against scipy, exact counts by hand, and what must hold for any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats import paired
from ehrbench.stats.estimate import estimate
from ehrbench.stats.paired import (
    holm,
    mcnemar,
    paired_bootstrap,
    permute_both,
    rank_ranges,
    sign_flip_test,
    significance_clusters,
)
from ehrbench.stats.rank_correlation import kendall, pair_counts

RNG = np.random.default_rng(0)
A = RNG.random(60)
B = A - 0.05 + RNG.normal(size=60) * 0.1
ALONE = [None] * 60
PATIENTS = [f"p{i // 3}" for i in range(60)]


@pytest.mark.parametrize("groups", [ALONE, PATIENTS])
def test_bootstrap_of_a_difference_is_that_of_the_differences(groups):
    got = paired_bootstrap(A, B, groups)
    same = estimate(A - B, groups, "mean")
    assert got.difference == pytest.approx(same.value)
    assert (got.low, got.high) == pytest.approx((same.low, same.high), abs=0.003)
    assert got.low > 0 and 2 / 10_001 <= got.p < 0.01
    back = paired_bootstrap(B, A, groups)
    assert back.difference == pytest.approx(-got.difference)
    assert back.p == pytest.approx(got.p, abs=0.003)


def test_bootstrap_of_corpus_values_uses_the_same_draws():
    counts = RNG.integers(1, 9, size=(60, 3)).astype(float)
    assert paired_bootstrap(counts, counts, PATIENTS, "micro_f1")[:4] == (0.0, 0.0, 0.0, 1.0)
    worse = counts + [0, 3, 0]
    got = paired_bootstrap(counts, worse, PATIENTS, "micro_f1")
    assert 0 < got.low < got.difference < got.high


def test_bootstrap_without_enough_data_says_why():
    assert paired_bootstrap([], [], []).reason == "no item has both scores"
    assert "one group" in paired_bootstrap([1, 2], [2, 3], ["a", "a"]).reason
    one_class = [[1, 0.5], [1, 0.6]]
    assert "undefined" in paired_bootstrap(one_class, one_class, [None, None], "auroc").reason
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap([1, 2], [1], [None, None])


def test_order_of_items_changes_nothing():
    shuffle = np.random.default_rng(5).permutation(60)
    names = [PATIENTS[i] for i in shuffle]
    assert paired_bootstrap(A, B, PATIENTS, resamples=500) == paired_bootstrap(A[shuffle], B[shuffle], names, resamples=500)
    assert sign_flip_test(A - B, PATIENTS).p == sign_flip_test((A - B)[shuffle], names).p
    assert sign_flip_test(A - B, ALONE).p == sign_flip_test((A - B)[shuffle], ALONE).p


def test_exact_sign_flips_by_hand():
    # five items all in favour: 2 of 32 patterns are as extreme
    assert sign_flip_test([0.1, 0.2, 0.3, 0.1, 0.1], [None] * 5).p == 2 / 32
    assert sign_flip_test([0.1, 0.2, 0.3, 0.1, 0.1], [None] * 5, alternative="greater").p == 1 / 32
    # one patient: 2 of 2
    assert sign_flip_test([0.1, 0.2, 0.3, 0.1, 0.1], ["a"] * 5).p == 1.0
    # {3, 1}: sums 4, 2, -2, -4
    assert sign_flip_test([3, 1], [None, None]).p == 0.5
    assert sign_flip_test([1, -1], ["a", "a"]).p == 1.0
    assert sign_flip_test([], []).p == 1.0
    with pytest.raises(ValueError, match="alternative"):
        sign_flip_test([1.0], [None], alternative="less")


def test_sign_flips_are_scipys():
    from scipy.stats import permutation_test

    d = (A - B)[:12]
    theirs = permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_test(d, [None] * 12).p == pytest.approx(theirs.pvalue)


def test_monte_carlo_agrees_with_exact(monkeypatch):
    d = np.random.default_rng(2).normal(0.25, 1, size=18)
    exact = sign_flip_test(d, [None] * 18)
    monkeypatch.setattr(paired, "EXACT_UP_TO", 5)
    sampled = sign_flip_test(d, [None] * 18, resamples=20_000)
    assert exact.method.startswith("exact") and not sampled.method.startswith("exact")
    assert sampled.p == pytest.approx(exact.p, abs=0.01)
    assert sign_flip_test(d + 5, [None] * 18, resamples=999).p == 1 / 1000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_system_against_itself(values):
    n = len(values)
    assert sign_flip_test(np.zeros(n), [None] * n).p == 1.0
    assert mcnemar(np.array(values) > 0.5, np.array(values) > 0.5) == (0, 0, 1.0)
    if n > 1:
        assert paired_bootstrap(values, values, [None] * n, resamples=50)[:4] == (0.0, 0.0, 0.0, 1.0)


def test_mcnemar_is_the_binomial_test():
    from scipy.stats import binomtest

    for only_a, only_b in ((1, 6), (10, 25), (0, 3), (4, 4), (700, 800)):
        a = [1] * only_a + [0] * only_b + [1, 0]
        b = [0] * only_a + [1] * only_b + [1, 0]
        assert mcnemar(a, b) == (only_a, only_b, pytest.approx(binomtest(only_a, only_a + only_b).pvalue, abs=1e-12))


def test_holm_by_hand():
    nan = float("nan")
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.02, nan, 0.9]), [0.04, nan, 0.9])
    assert holm([]).shape == (0,)
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def human_and_metrics(seed, items=40, systems=6):
    rng = np.random.default_rng(seed)
    human = rng.integers(1, 6, size=(items, systems)).astype(float)
    good = human + rng.normal(size=human.shape)
    bad = human * 0.2 + rng.normal(size=human.shape)
    return human, good, bad


@pytest.mark.parametrize("limit", [8, 2])
def test_perm_both_tells_a_better_metric(monkeypatch, limit):
    monkeypatch.setattr(paired, "PATTERNS_UP_TO", limit)
    human, good, bad = human_and_metrics(1)
    got = permute_both(human, good, bad, permutations=400)
    expected = np.nanmean(kendall(pair_counts(human, good))) - np.nanmean(kendall(pair_counts(human, bad)))
    assert got.statistic == pytest.approx(expected)
    assert got.p == 1 / 401
    assert permute_both(human, bad, good, permutations=400, alternative="greater").p > 0.9
    # a metric and a rescaled copy are one metric
    assert permute_both(human, good, 3 * good + 7, permutations=100).p == 1.0


def test_perm_both_by_table_is_perm_both_by_swapping(monkeypatch):
    human, good, other = human_and_metrics(2, items=15, systems=4)
    other = good + 0.6 * np.random.default_rng(3).normal(size=good.shape)
    human[3, 2] = good[5, 0] = np.nan
    by_table = permute_both(human, good, other, permutations=4000).p
    monkeypatch.setattr(paired, "PATTERNS_UP_TO", 0)
    assert permute_both(human, good, other, permutations=4000).p == pytest.approx(by_table, abs=0.04)


def test_perm_both_holds_its_level():
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        human = rng.integers(1, 6, size=(20, 5)).astype(float)
        a, b = (human + 2 * rng.normal(size=human.shape) for _ in range(2))
        p.append(permute_both(human, a, b, permutations=199, seed=seed).p)
    assert 0.3 < np.mean(p) < 0.7 and np.mean(np.array(p) < 0.1) < 0.25


def test_clusters_and_rank_ranges():
    values = [0.5, 0.9, 0.7, 0.86]
    p = np.full((4, 4), np.nan)
    for i, j, value in ((1, 3, 0.4), (1, 2, 0.01), (1, 0, 0.001), (3, 2, 0.2), (3, 0, 0.01), (2, 0, 0.3)):
        p[i, j] = p[j, i] = value
    assert significance_clusters(values, p).tolist() == [2, 1, 2, 1]
    assert rank_ranges(values, p).tolist() == [[3, 4], [1, 2], [2, 4], [1, 3]]
    assert significance_clusters([], np.empty((0, 0))).tolist() == []
