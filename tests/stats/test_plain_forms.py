"""Alpha without each cluster, means of subsets, weighted systems, held-out ties: each against its plain form."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.stats.agreement import alpha_without_each, krippendorff_alpha
from ehrbench.stats.item_means import mean_within
from ehrbench.stats.rank_correlation import calibrate_ties, pair_counts, weighted_values, with_nan_policy
from ehrbench.stats.soft_pairwise import soft_pairwise_accuracy, soft_pairwise_stderr
from ehrbench.stats.subset_means import subset_means, subsets


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_without_each_cluster(level):
    rng = np.random.default_rng(0)
    table = rng.integers(1, 5, size=(3, 24)).astype(float)
    table[rng.random(table.shape) < 0.25] = np.nan
    codes = np.arange(24) // 3
    plain = [krippendorff_alpha(table[:, codes != c], level) for c in range(8)]
    np.testing.assert_allclose(alpha_without_each(table, codes, 8, level), plain, atol=1e-12)


def test_means_of_random_subsets():
    rng = np.random.default_rng(3)
    values = rng.random((10, 2))
    sizes = np.ones((10, 2))
    values[:4, 1] = sizes[:4, 1] = 0
    chosen = subsets(10, 999, 0)
    assert len(chosen) == 2**10 - 1 and len(np.unique(chosen, axis=0)) == 2**10 - 1
    means = subset_means(values, sizes, chosen)
    for row, which in zip(means, chosen.astype(bool), strict=True):
        assert row[0] == pytest.approx(values[which, 0].mean())
        kept = which[4:]
        assert row[1] == pytest.approx(values[4:][kept, 1].mean()) if kept.any() else np.isnan(row[1])
    assert subsets(40, 999, 0).shape == (999, 40)


def test_mean_within_items():
    values = np.array([[1.0, 3.0, np.nan, 5.0, np.nan]])
    np.testing.assert_array_equal(mean_within(values, np.array([0, 0, 0, 2, 3]), 4), [[2, np.nan, 5, np.nan]])


def test_a_system_drawn_twice_weighs_as_two_copies():
    rng = np.random.default_rng(5)
    human, metric = rng.integers(1, 5, size=(2, 20, 5)).astype(float)
    drawn = [0, 0, 1, 3, 3]
    for variant in ("a", "b", "wmt"):
        twice = pair_counts(human[:, drawn], metric[:, drawn])
        expected = with_nan_policy(twice, variant).values
        found = weighted_values(human, metric, [[2, 1, 0, 2, 0]], variant)[0]
        if variant == "a":  # copies are tied with one another there, and make no pair here
            expected = expected * 10 / 8
        np.testing.assert_allclose(found, expected)
    with pytest.raises(ValueError, match="no weighted form"):
        weighted_values(human, metric, [[1] * 5], "c")


@pytest.mark.parametrize("choosing", ["all", "preferred"])
def test_ties_are_calibrated_without_the_held_out_group(choosing):
    rng = np.random.default_rng(6)
    human = rng.integers(1, 4, size=(12, 4)).astype(float)
    metric = human + rng.normal(size=human.shape)
    groups = np.array([3, 1, 1, 0, 0, 0, 2, 2, 3, 3, 4, 4])
    found = calibrate_ties(human, metric, groups, choosing=choosing)
    first, second = np.triu_indices(4, 1)
    for i in range(12):
        others = groups != groups[i]
        epsilon = calibrate_ties(human[others], metric[others], choosing=choosing).epsilon
        gap = metric[i, first] - metric[i, second]
        sign = np.where(np.round(np.abs(gap), 12) <= epsilon, 0, np.sign(gap))
        assert found.held_out[i] == pytest.approx((np.sign(human[i, first] - human[i, second]) == sign).mean())
    assert found.accuracy_held_out == pytest.approx(found.held_out.mean())


def test_jackknife_of_soft_pairwise_accuracy():
    rng = np.random.default_rng(7)
    human = rng.normal(size=(25, 4)) + np.arange(4) / 2
    metric = human + rng.normal(size=human.shape)
    found = soft_pairwise_stderr(human, metric, np.arange(25), permutations=4000)
    left = [
        soft_pairwise_accuracy(np.delete(human, i, 0), np.delete(metric, i, 0), permutations=4000, seed=9).accuracy
        for i in range(25)
    ]
    plain = np.sqrt(24 / 25 * ((np.array(left) - np.mean(left)) ** 2).sum())
    assert found == pytest.approx(plain, rel=0.25)
    assert np.isnan(soft_pairwise_stderr(human[:2], metric[:2], [0, 1]))
