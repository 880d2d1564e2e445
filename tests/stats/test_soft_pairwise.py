"""Soft pairwise accuracy: against a plain permutation test, and at its ends."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.stats.soft_pairwise import soft_pairwise_accuracy

RNG = np.random.default_rng(0)
HUMAN = RNG.normal(size=(50, 5)) + np.array([0, 0.1, 0.2, 0.5, 1.0])


def test_a_metric_equal_to_people_is_perfect_and_its_reverse_is_not():
    assert soft_pairwise_accuracy(HUMAN, HUMAN).accuracy == 1.0
    assert soft_pairwise_accuracy(HUMAN, HUMAN * 3 + 1).accuracy == pytest.approx(1.0)
    assert soft_pairwise_accuracy(HUMAN, -HUMAN).accuracy < 0.5


def test_p_values_are_those_of_a_paired_permutation_test():
    from scipy.stats import permutation_test

    found = soft_pairwise_accuracy(HUMAN, HUMAN + RNG.normal(size=HUMAN.shape), permutations=20_000)
    for a, b in ((0, 1), (1, 2), (0, 3), (2, 0)):
        test = permutation_test(
            (HUMAN[:, a] - HUMAN[:, b],), np.mean, permutation_type="samples", alternative="greater", n_resamples=20_000, rng=1
        )
        assert found.p_human[a, b] == pytest.approx(test.pvalue, abs=0.015)
    assert np.isnan(np.diag(found.p_human)).all()


def test_only_complete_items_count_and_their_order_does_not():
    metric = HUMAN + RNG.normal(size=HUMAN.shape)
    whole = soft_pairwise_accuracy(HUMAN[4:], metric[4:])
    human = HUMAN.copy()
    human[:4, 2] = np.nan
    holes = soft_pairwise_accuracy(human, metric)
    assert (holes.accuracy, holes.n_items, holes.n_left_out) == (whole.accuracy, 46, 4)
    shuffle = RNG.permutation(46)
    assert soft_pairwise_accuracy(HUMAN[4:][shuffle], metric[4:][shuffle]).accuracy == whole.accuracy


def test_too_little_is_undefined():
    assert np.isnan(soft_pairwise_accuracy(HUMAN[:1], HUMAN[:1]).accuracy)
    assert np.isnan(soft_pairwise_accuracy(HUMAN[:, :1], HUMAN[:, :1]).accuracy)
    with pytest.raises(ValueError, match="items, systems"):
        soft_pairwise_accuracy(HUMAN, HUMAN[:3])
