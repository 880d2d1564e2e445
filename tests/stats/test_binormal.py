"""The variance of an AUROC as a function of the AUROC: against its integral, by drawing scores, and in the interval."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from ehrbench.stats.binormal import score_interval, slope, variance
from ehrbench.stats.estimate import estimate

VALUES = [0.001, 0.2, 0.5, 0.8, 0.95, 0.999]


@pytest.mark.parametrize("auroc", VALUES)
def test_variance_is_that_of_two_items_with_one_opponent(auroc):
    normal = NormalDist()
    shared = np.linspace(-9, 9, 4001)  # the opponent's score; both items' scores are independent given it
    right = np.array([normal.cdf(math.sqrt(2) * normal.inv_cdf(auroc) - z) for z in shared])
    both = float((right**2 * np.exp(-(shared**2) / 2)).sum() * (shared[1] - shared[0]) / math.sqrt(2 * math.pi))
    assert variance(auroc) == pytest.approx(both - auroc**2, abs=1e-10)
    assert variance(1 - auroc) == pytest.approx(variance(auroc), rel=1e-9)


@pytest.mark.parametrize("auroc", VALUES)
def test_slope_is_the_derivative(auroc):
    step = 1e-6
    assert slope(auroc) == pytest.approx((variance(auroc + step) - variance(auroc - step)) / (2 * step), abs=1e-6)


def test_variance_is_what_drawn_scores_have():
    rng = np.random.default_rng(0)
    positive, negative = rng.standard_normal((4000, 30)) + math.sqrt(2) * 1.2815515655446004, rng.standard_normal((4000, 3000))
    # With 3,000 negatives for 30 positives all but a hundredth of the variance is the positives'.
    ranks = [np.searchsorted(np.sort(low), high).mean() / 3000 for high, low in zip(positive, negative, strict=True)]
    assert np.mean(ranks) == pytest.approx(0.9, abs=0.003)
    assert np.var(ranks) == pytest.approx(variance(0.9) * (1 / 30 + 1 / 3000), rel=0.08)


def test_ends_are_where_the_estimate_is_so_many_of_their_standard_errors_away():
    low, high = score_interval(0.95, 0.02, 2.0)
    for end in (low, high):
        stderr = 0.02 * math.sqrt(variance(end) / variance(0.95))
        assert abs(0.95 - end) == pytest.approx(2.0 * stderr, rel=1e-9)
    assert 0.95 - low > high - 0.95, "longer on the side where the variance grows"


def test_both_ways_of_counting_have_mirrored_intervals():
    rng = np.random.default_rng(1)
    labels = rng.random(200) < 0.2
    scores = rng.standard_normal(200) + labels
    one = estimate(np.column_stack([labels, scores]), [None] * 200, "auroc")
    other = estimate(np.column_stack([labels, -scores]), [None] * 200, "auroc")
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low), abs=1e-9)
    assert 0 < one.low < one.value < one.high < 1


def test_an_auroc_near_1_with_few_positives_is_covered():
    """AUROC 0.95, 25 positives on average among 500 items of 100 patients: covered in 92.5 % by Wilson's proportion."""
    from benchmarks.coverage.__main__ import simulate
    from benchmarks.coverage.cells import CELLS

    cell = next(c for c in CELLS if (c.kind, c.name) == ("AUROC", "0.95, 5% of 5 items"))
    line = simulate(cell, 100, 400, bootstrap=False)
    assert line.above < 0.055, "the lower end is not too high"
    assert 0.92 < line.covered < 0.98
