"""Alpha under resampling, corpus values swapped between systems, means under shared draws: each against its plain form."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.stats.agreement import krippendorff_alpha, resampled_alpha
from ehrbench.stats.estimate import resample_indices
from ehrbench.stats.paired import sign_flip_test, swap_test
from ehrbench.stats.rank_correlation import calibrate_ties, pair_counts, weighted_values, with_nan_policy
from ehrbench.stats.resampled_means import mean_within, resampled_means
from ehrbench.stats.soft_pairwise import soft_pairwise_accuracy, soft_pairwise_stderr


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_of_each_draw(level):
    rng = np.random.default_rng(0)
    table = rng.integers(1, 5, size=(3, 24)).astype(float)
    table[rng.random(table.shape) < 0.25] = np.nan
    codes = np.arange(24) // 3
    ours = resampled_alpha(table, codes, 8, level, resamples=50, seed=4)
    drawn = np.concatenate(list(resample_indices(8, 50, 4)))
    plain = [krippendorff_alpha(table[:, np.concatenate([np.flatnonzero(codes == c) for c in row])], level) for row in drawn]
    np.testing.assert_allclose(ours, plain, atol=1e-12)


def test_swapping_a_mean_is_flipping_signs():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 9))
    groups = [f"p{i // 2}" for i in range(9)]
    assert swap_test(a, b, groups) == sign_flip_test(a - b, groups)


def test_swapping_corpus_values():
    rng = np.random.default_rng(2)
    a = np.column_stack([rng.integers(0, 5, 30), rng.integers(1, 6, 30), rng.integers(1, 6, 30)]).astype(float)
    a[:, 0] = np.minimum(a[:, 0], a[:, 1:].min(axis=1))
    b = a.copy()
    b[:, 0] = 0
    found = swap_test(a, b, [None] * 30, "micro_f1", permutations=999)
    assert found.p == pytest.approx(0.001, abs=0.001)
    assert found.statistic == pytest.approx(2 * a[:, 0].sum() / (a[:, 1].sum() + a[:, 2].sum()), abs=1)
    assert swap_test(a, a, [None] * 30, "micro_f1", permutations=99).p == 1
    order = rng.permutation(30)
    assert swap_test(a[order], b[order], [None] * 30, "micro_f1", permutations=99) == swap_test(
        a, b, [None] * 30, "micro_f1", permutations=99
    )


def test_means_of_each_draw():
    rng = np.random.default_rng(3)
    values = rng.random((2, 10))
    values[1, :4] = np.nan
    codes = np.arange(10) // 2
    draws = resampled_means(values, codes, 5, resamples=40, seed=1)
    for row, drawn in zip(draws, np.concatenate(list(resample_indices(5, 40, 1))), strict=True):
        items = np.concatenate([np.flatnonzero(codes == c) for c in drawn])
        with np.errstate(invalid="ignore"):
            assert row[0] == pytest.approx(values[0, items].mean())
        kept = values[1, items][~np.isnan(values[1, items])]
        assert row[1] == pytest.approx(kept.mean()) if len(kept) else np.isnan(row[1])


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


def test_ties_are_calibrated_without_the_held_out_group():
    rng = np.random.default_rng(6)
    human = rng.integers(1, 4, size=(12, 4)).astype(float)
    metric = human + rng.normal(size=human.shape)
    groups = np.array([3, 1, 1, 0, 0, 0, 2, 2, 3, 3, 4, 4])
    found = calibrate_ties(human, metric, groups)
    first, second = np.triu_indices(4, 1)
    for i in range(12):
        others = groups != groups[i]
        epsilon = calibrate_ties(human[others], metric[others]).epsilon
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
