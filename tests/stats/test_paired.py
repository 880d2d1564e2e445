"""Paired tests: against scipy, exact counts by hand, and what must hold for any data."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.stats import paired, subset_means
from ehrbench.stats.estimate import estimate
from ehrbench.stats.interval import wilson
from ehrbench.stats.paired import holm, paired_test, permute_both, significance_clusters
from ehrbench.stats.rank_correlation import kendall, pair_counts

RNG = np.random.default_rng(0)
A = RNG.random(60)
B = A - 0.05 + RNG.normal(size=60) * 0.1
ALONE = [None] * 60
PATIENTS = [f"p{i // 3}" for i in range(60)]


@pytest.mark.parametrize("groups", [ALONE, PATIENTS])
def test_interval_of_a_difference_is_near_that_of_the_differences(groups):
    got = paired_test(A, B, groups)
    same = estimate(A - B, groups, "mean")
    assert got.difference == pytest.approx(same.value)
    assert (got.low, got.high) == pytest.approx((same.low, same.high), abs=0.008)
    back = paired_test(B, A, groups)
    assert (back.difference, back.low, back.high) == pytest.approx((-got.difference, -got.high, -got.low))
    assert back.p == got.p


def test_differences_of_corpus_values():
    counts = RNG.integers(1, 9, size=(60, 3)).astype(float)
    worse = counts + [0, 3, 0]
    got = paired_test(counts, worse, PATIENTS, "micro_f1")
    assert 0 < got.low < got.difference < got.high and got.p < 0.001
    same = paired_test(counts, counts, PATIENTS, "micro_f1")
    assert (same.difference, same.p) == (0.0, 1.0)
    assert same.high == -same.low == pytest.approx(wilson(0, 20)[1])


def test_without_enough_data_it_says_why():
    assert paired_test([], [], []).reason == "no item has both scores"
    assert "one group" in paired_test([1, 2], [2, 3], ["a", "a"]).reason
    one_class = [[1, 0.5], [1, 0.6]]
    assert "undefined" in paired_test(one_class, one_class, [None, None], "auroc").reason
    few = paired_test([0.1, 0.2, 0.3, 0.1, 0.2], [0, 0, 0, 0, 0], [None] * 5)
    assert (few.p, few.low) == (2 / 32, None) and "too few" in few.reason
    with pytest.raises(ValueError, match="same items"):
        paired_test([1, 2], [1], [None, None])


def test_order_of_items_changes_nothing():
    shuffle = np.random.default_rng(5).permutation(60)
    names = [PATIENTS[i] for i in shuffle]
    one, other = paired_test(A, B, PATIENTS, resamples=500), paired_test(A[shuffle], B[shuffle], names, resamples=500)
    assert (one.p, one.low, one.high) == pytest.approx((other.p, other.low, other.high), abs=1e-13)


def test_exact_sign_flips_by_hand():
    def p(differences, groups):
        return paired_test(differences, np.zeros(len(differences)), groups).p

    # five items all in favour: 2 of 32 patterns are as extreme
    assert p([0.1, 0.2, 0.3, 0.1, 0.1], [None] * 5) == 2 / 32
    # {3, 1}: sums 4, 2, -2, -4
    assert p([3, 1], [None, None]) == 0.5
    assert p([1, -1, 0.5, -0.5], ["a", "a", "b", "b"]) == 1.0


def test_exact_test_is_scipys():
    from scipy.stats import permutation_test

    d = np.random.default_rng(1).normal(0.4, 1, size=12)
    theirs = permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired_test(d, np.zeros(12), [None] * 12).p == pytest.approx(theirs.pvalue)


def test_monte_carlo_agrees_with_exact(monkeypatch):
    d = np.random.default_rng(2).normal(0.25, 1, size=12)
    exact = paired_test(d, np.zeros(12), [None] * 12)
    monkeypatch.setattr(subset_means, "EXACT_UP_TO", 5)
    sampled = paired_test(d, np.zeros(12), [None] * 12, resamples=20_000)
    assert sampled.p == pytest.approx(exact.p, abs=0.01)
    assert (sampled.low, sampled.high) == pytest.approx((exact.low, exact.high), abs=0.03)
    assert paired_test(d + 5, np.zeros(12), [None] * 12, resamples=999).p == 2 / 1000


def test_interval_and_p_never_contradict():
    borderline = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n, clusters = int(rng.integers(6, 80)), int(rng.integers(6, 40))
        groups = [f"p{i}" for i in rng.integers(0, clusters, n)]
        a = (rng.random(n) < 0.75).astype(float) if seed % 2 else rng.random(n)
        b = (rng.random(n) < 0.55).astype(float) if seed % 2 else a - 0.1 + 0.4 * rng.normal(size=n)
        test = paired_test(a, b, groups, resamples=400, bounds=(0, 1))
        borderline += test.p is not None and 0.02 < test.p < 0.1
        if test.low is not None:
            assert (test.low <= 0 <= test.high) == (test.p > 0.05)
            assert test.low < test.high
    assert borderline > 30


def test_right_and_wrong_answers_of_single_items_have_mcnemars_p():
    from scipy.stats import binomtest

    for only_a, only_b in ((1, 6), (5, 8), (0, 7), (4, 4)):
        a = [1] * only_a + [0] * only_b + [1, 0]
        b = [0] * only_a + [1] * only_b + [1, 0]
        expected = binomtest(only_a, only_a + only_b).pvalue
        assert paired_test(a, b, [None] * len(a), bounds=(0, 1)).p == pytest.approx(expected, abs=1e-12)


def test_right_and_wrong_answers_in_clusters_hold_their_level():
    # McNemar's test for single items would reject 10 to 16 % of these.
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        tilt = np.repeat(rng.uniform(-0.3, 0.3, size=12), 8)
        a, b = (rng.random(96) < 0.5 + sign * tilt for sign in (1, -1))
        rejected += paired_test(a.astype(float), b.astype(float), [f"p{i // 8}" for i in range(96)]).p <= 0.05
    assert 0.02 < rejected / 400 < 0.08


def test_every_group_with_the_same_difference_has_no_interval_of_no_width():
    best = paired_test([1.0] * 12, [0.0] * 12, [None] * 12, bounds=(0, 1))
    assert (best.difference, best.high) == (1.0, 1.0) and 0 < best.low < 1 and best.p < 0.001
    none = paired_test([0.5] * 12, [0.3] * 12, [None] * 12, bounds=(0, 1))
    assert (none.low, none.reason) == (None, "every group has the same difference")
    alike = paired_test([1.0] * 12, [1.0] * 12, [None] * 12)
    assert (alike.p, alike.low) == (1.0, None)


def test_few_differences_are_cautioned():
    a, b = np.ones(100), np.ones(100)
    b[:4] = 0
    assert "differ on 4 groups only" in paired_test(a, b, [None] * 100, bounds=(0, 1)).caution
    b[:40] = 0
    assert paired_test(a, b, [None] * 100, bounds=(0, 1)).caution == ""


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


def test_significance_clusters():
    values = [0.5, 0.9, 0.7, 0.86]
    p = np.full((4, 4), np.nan)
    for i, j, value in ((1, 3, 0.4), (1, 2, 0.01), (1, 0, 0.001), (3, 2, 0.2), (3, 0, 0.01), (2, 0, 0.3)):
        p[i, j] = p[j, i] = value
    assert significance_clusters(values, p).tolist() == [2, 1, 2, 1]
    assert significance_clusters([], np.empty((0, 0))).tolist() == []
