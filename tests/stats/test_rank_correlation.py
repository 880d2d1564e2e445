"""Kendall's tau and its kin against scipy, hand counts and the papers' rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats import rank_correlation
from ehrbench.stats.rank_correlation import calibrate_ties, kendall, pair_counts, with_nan_policy
from ehrbench.stats.soft_pairwise import soft_pairwise_accuracy
from ehrbench.stats.win_rates import outcomes

HUMAN = -np.array([[1, 1, 2, 3, 3, 4]], dtype=float)
SCORES = np.array([[0.80, 0.70, 0.75, 0.40, 0.50, 0.10]])


def one(human, metric, variant):
    return float(kendall(pair_counts([human], [metric]), variant)[0])


def test_the_worked_example():
    counts = pair_counts(HUMAN, SCORES)
    assert [int(x[0]) for x in counts[:5]] == [12, 1, 2, 0, 0]
    values = {v: float(kendall(counts, v)[0]) for v in ("a", "b", "c", "acc_eq")}
    assert values == pytest.approx({"a": 0.7333, "b": 0.7877, "c": 0.8148, "acc_eq": 0.8000}, abs=5e-5)
    assert np.isnan(one([1] * 6, SCORES[0], "b"))


@pytest.mark.parametrize("variant", ["b", "c"])
def test_scipy_agrees_on_ten_thousand_rankings_with_ties(variant):
    from scipy.stats import kendalltau

    rng = np.random.default_rng(0)
    human = rng.integers(1, 6, size=(10_000, 6)).astype(float)
    metric = np.round(rng.random((10_000, 6)), 1)
    metric[:100] = metric[:100, :1]
    human[50:150] = 3
    ours = kendall(pair_counts(human, metric), variant)
    theirs = np.array([kendalltau(h, m, variant=variant).statistic for h, m in zip(human, metric, strict=True)])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)
    assert 100 <= np.isnan(ours).sum() < 300


def test_several_metrics_at_once_and_missing_answers():
    rng = np.random.default_rng(1)
    human = rng.integers(1, 4, size=(30, 5)).astype(float)
    metrics = rng.random((4, 30, 5))
    metrics[2, :, 3] = np.nan
    human[4, 1] = np.nan
    together = kendall(pair_counts(human, metrics), "b")
    assert together.shape == (4, 30)
    for k in range(4):
        np.testing.assert_array_equal(together[k], kendall(pair_counts(human, metrics[k]), "b"))
    present = [0, 1, 2, 4]
    np.testing.assert_array_equal(together[2][5:], kendall(pair_counts(human[5:][:, present], metrics[2, 5:][:, present]), "b"))
    assert pair_counts(human, metrics[2]).n_systems[4] == 3


def test_wmt_variant_by_hand():
    # people 3 > 2 = 1; metric ties the first two: C = 1 (1st > 3rd), Tm = 1 (1st = 2nd), the pair that people tie is dropped
    assert one([3, 1, 1], [0.5, 0.5, 0.1], "wmt") == pytest.approx((1 - 0 - 1) / 2)
    assert np.isnan(one([1, 1, 1], [0.1, 0.2, 0.3], "wmt"))


def test_ties_of_both_sides_earn_credit():
    assert one([2, 2, 1], [0.5, 0.5, 0.1], "acc_eq") == 1.0
    assert one([2, 2, 1], [0.5, 0.5, 0.1], "tau_eq") == 1.0
    assert one([2, 2, 1], [0.5, 0.4, 0.1], "acc_eq") == pytest.approx(2 / 3)
    assert one([2, 2, 1], [0.5, 0.4, 0.1], "tau_eq") == pytest.approx(1 / 3)


def test_rounding_noise_is_a_tie():
    assert one([1, 2], [0.1 + 0.2, 0.3], "a") == 0.0
    assert one([1, 2], [0.3, 0.3 + 1e-9], "a") == 1.0


numbers = st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(numbers, st.data())
def test_reversing_one_side_reverses_tau(human, data):
    metric = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=len(human), max_size=len(human)))
    h, m = np.array(human, dtype=float), np.array(metric, dtype=float)
    for variant in ("a", "b", "c"):
        forward = kendall(pair_counts(h, m), variant)
        np.testing.assert_allclose(kendall(pair_counts(h, -m), variant), -forward)
        np.testing.assert_allclose(kendall(pair_counts(m, h), variant), forward)
        np.testing.assert_allclose(kendall(pair_counts(h[:, ::-1], m[:, ::-1]), variant), forward)
    counts = pair_counts(h, m)
    assert (counts.pairs == 6).all()
    np.testing.assert_allclose(kendall(pair_counts(h, h), "acc_eq"), 1.0)


def test_nan_policies_and_their_counts():
    human = np.array([[1, 2, 3], [2, 2, 2], [1, 2, 3], [1, 2, np.nan], [1, np.nan, np.nan], [2, 2, 2]], dtype=float)
    metric = np.array([[1, 2, 3], [1, 2, 3], [5, 5, 5], [2, 1, 0], [1, 2, 3], [5, 5, 5]], dtype=float)
    counts = pair_counts(human, metric)
    values = {policy: with_nan_policy(counts, "b", policy) for policy in ("exclude", "zero", "mixed")}
    assert [(int(v.n_human_constant), int(v.n_metric_constant), int(v.n_too_few)) for v in values.values()] == [(2, 1, 1)] * 3
    assert {p: int(v.n_used) for p, v in values.items()} == {"exclude": 2, "zero": 5, "mixed": 3}
    assert {p: float(v.mean) for p, v in values.items()} == pytest.approx({"exclude": 0.0, "zero": 0.0, "mixed": 0.0})
    better = metric.copy()
    better[3] = [1, 2, 0]
    means = {p: float(with_nan_policy(pair_counts(human, better), "b", p).mean) for p in values}
    assert means == pytest.approx({"exclude": 1.0, "zero": 2 / 5, "mixed": 2 / 3})
    nothing = with_nan_policy(pair_counts(human[4:5], metric[4:5]))
    assert np.isnan(nothing.mean) and nothing.n_used == 0


def brute_calibration(human, metric, choosing):
    first, second = np.triu_indices(human.shape[1], 1)
    gaps = np.round(np.abs(metric[:, first] - metric[:, second]), 12)

    def accuracy(epsilon, rows):
        tied, prefers = gaps[rows] <= epsilon, np.sign(human[rows][:, first] - human[rows][:, second])
        right = np.where(tied, prefers == 0, np.sign(metric[rows][:, first] - metric[rows][:, second]) == prefers)
        return right.mean(axis=1)

    def best(rows):
        rows = [i for i in rows if choosing == "all" or len(set(human[i])) > 1]
        return max(np.unique(np.append(gaps, 0.0)), key=lambda e: (round(accuracy(e, rows).sum(), 9), -e))

    everyone = list(range(len(human)))
    epsilon = best(everyone)
    held_out = [accuracy(best([j for j in everyone if j != i]), [i])[0] for i in everyone]
    return epsilon, accuracy(epsilon, everyone).mean(), np.mean(held_out)


@pytest.mark.parametrize("choosing", ["all", "preferred"])
@pytest.mark.parametrize("block", [1 << 22, 40])
def test_tie_calibration_against_trying_every_threshold(monkeypatch, block, choosing):
    monkeypatch.setattr(rank_correlation, "CELLS_A_BLOCK", block)
    rng = np.random.default_rng(4)
    for _ in range(10):
        human = rng.integers(1, 4, size=(12, 4)).astype(float)
        metric = np.round(human + rng.normal(size=human.shape) * 0.7, 2)
        human[0] = 2
        got = calibrate_ties(human, metric, choosing=choosing)
        expected = brute_calibration(human, metric, choosing)
        assert (got.epsilon, got.accuracy, got.accuracy_held_out) == pytest.approx(expected)
        constant = sum(len(set(row)) == 1 for row in human) if choosing == "preferred" else 0
        assert (got.n_items, got.n_calibrating) == (12, 12 - constant)


def test_tie_calibration_by_hand():
    # people: a = b > c. The metric separates a and b by 0.1 and c by 0.4: epsilon 0.1 makes all three pairs right.
    got = calibrate_ties([[2, 2, 1]], [[0.9, 0.8, 0.4]])
    assert (got.epsilon, got.accuracy) == (0.1, 1.0)
    exact = calibrate_ties([[3, 2, 1]], [[0.9, 0.8, 0.4]])
    assert (exact.epsilon, exact.accuracy) == (0.0, 1.0)
    assert np.isnan(calibrate_ties([[1, np.nan]], [[1, 2]]).accuracy)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="items, systems"):
        pair_counts(np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="variant"):
        kendall(pair_counts(HUMAN, SCORES), "x")
    with pytest.raises(ValueError, match="policy"):
        with_nan_policy(pair_counts(HUMAN, SCORES), "b", "x")


@pytest.mark.parametrize("scale", [1e-14, 1e-300, 0.01, 1, 1e9, 1e200])
@pytest.mark.parametrize("variant", ["a", "b", "c", "wmt", "acc_eq", "tau_eq"])
def test_agreement_does_not_know_the_scale_of_a_metric(variant, scale):
    rng = np.random.default_rng(11)
    human = rng.integers(1, 4, size=(30, 5)).astype(float)
    metric = np.round(rng.random(human.shape), 1)
    metric[0, 0] += 1e-16  # rounding, at any scale
    counts, scaled = pair_counts(human, metric), pair_counts(human, metric * scale)
    np.testing.assert_array_equal(kendall(scaled, variant), kendall(counts, variant))
    ties, of_scaled = calibrate_ties(human, metric), calibrate_ties(human, metric * scale)
    assert of_scaled.epsilon / scale == pytest.approx(ties.epsilon)
    assert (of_scaled.accuracy, of_scaled.accuracy_held_out) == (ties.accuracy, ties.accuracy_held_out)
    np.testing.assert_array_equal(outcomes(-metric * scale).tied, outcomes(-metric).tied)
    soft, of_soft = (soft_pairwise_accuracy(human, m, permutations=200) for m in (metric, metric * scale))
    assert of_soft.accuracy == soft.accuracy


def test_rounding_is_a_tie_and_a_small_difference_is_not():
    # 0.1 + 0.2 is not 0.3 in floating point; 1e-9 is a difference where nothing else is larger.
    counts = pair_counts([[1, 2, 3]], [[0.1 + 0.2, 0.3, 0.3 + 1e-9]])
    assert (int(counts.metric_ties[0]), int(counts.concordant[0])) == (1, 2)
