"""Intervals: against scipy's closed forms, by hand, and in the degenerate cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats.aggregate import AGGREGATES
from ehrbench.stats.bootstrap import earlier_interval, is_earlier, resample_counts, resample_indices
from ehrbench.stats.estimate import clustered_stderr, estimate
from ehrbench.stats.interval import score_interval, wilson

RNG = np.random.default_rng(0)
SCORES = RNG.random(80)
ALONE = [None] * 80
PATIENTS = [f"p{i // 4}" for i in range(80)]


def test_interval_of_a_mean_without_bounds_is_students_where_nothing_is_skewed():
    from scipy.stats import norm, t

    scores = norm.ppf((np.arange(40) + 0.5) / 40)
    got = estimate(scores, [None] * 40, "mean")
    low, high = t.interval(0.95, 39, loc=scores.mean(), scale=scores.std(ddof=1) / np.sqrt(40))
    assert got.value == pytest.approx(scores.mean())
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-9)
    assert got.method == "Student's t, jackknife over 40 items"
    assert (got.n, got.n_groups, got.reason, got.caution) == (40, 40, None, "")


def test_right_and_wrong_answers_alone_have_wilsons_interval():
    got = estimate([1.0] * 27 + [0.0] * 8, [None] * 35, "mean")
    assert (got.low, got.high) == wilson(27, 35)
    assert got.method == "Wilson, 35 items"


def test_bounded_mean_has_wilsons_interval_with_the_effective_number_of_trials():
    # Five copies of each answer in one patient carry no more than one.
    answers = np.array([1.0] * 27 + [0.0] * 13)
    whole = estimate(np.repeat(answers, 5), [f"p{i // 5}" for i in range(200)], "mean", unit="patients")
    share, variance = 27 / 40, 27 / 40 * 13 / 40 / 39
    from scipy.stats import t

    expected = score_interval(share, share * (1 - share) / variance, t.ppf(0.975, 39))
    assert (whole.low, whole.high) == pytest.approx(expected, abs=1e-9)
    assert whole.method == "score interval, jackknife over 40 patients"
    assert 0 <= whole.low < whole.value < whole.high <= 1


def test_the_long_tail_lengthens_one_end():
    skewed = np.concatenate([np.full(35, 1.0), [4.0, 9.0, 20.0]])
    got = estimate(skewed, [None] * 38, "mean")
    assert got.high - got.value > 1.5 * (got.value - got.low)
    turned = estimate(-skewed, [None] * 38, "mean")
    assert (turned.low, turned.high) == pytest.approx((-got.high, -got.low))


@pytest.mark.parametrize("name", ["mean", "micro_f1", "macro_f1", "corpus_bleu", "auroc", "auprc", "brier", "mcc"])
@pytest.mark.parametrize("groups", [ALONE, PATIENTS])
def test_order_of_items_changes_nothing(name, groups):
    columns = AGGREGATES[name].columns or 6
    rows = np.random.default_rng(7).integers(1, 5, size=(80, columns)).astype(float)
    if name in ("auroc", "auprc", "brier"):
        rows = np.column_stack([rows[:, 0] > 2, rows[:, 1] / 5])
    shuffle = np.random.default_rng(8).permutation(80)
    one, other = estimate(rows, groups, name), estimate(rows[shuffle], [groups[i] for i in shuffle], name)
    assert one._replace(low=None, high=None) == other._replace(low=None, high=None)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-13)


def test_nothing_and_one_cluster():
    empty = estimate([], [], "mean")
    assert (empty.value, empty.low, empty.n, empty.reason) == (None, None, 0, "no item has a score")
    assert estimate(np.empty((0, 3)), [], "micro_f1").value is None
    one = estimate([0.2, 0.4], ["a", "a"], "mean")
    assert one.value == pytest.approx(0.3)
    assert one.low is None and one.high is None and "one group" in one.reason


def test_constant_values_have_a_width_or_no_interval():
    right = estimate([1.0] * 10, [None] * 10, "mean")
    assert (right.low, right.high) == pytest.approx((0.7224672, 1.0), abs=1e-7)
    wrong = estimate([0.0] * 10, [f"p{i // 2}" for i in range(10)], "mean")
    assert (wrong.low, wrong.high) == pytest.approx((0.0, wilson(0, 5)[1]))
    assert wrong.method == "Wilson, one trial for each of 5 groups (nothing varies)"
    same = estimate([0.25] * 10, [None] * 10, "mean", bounds=(0, 1))
    assert (same.low, same.high) == pytest.approx(score_interval(0.25, 10, 1.959964), abs=1e-6)
    free = estimate([7.0] * 10, [None] * 10, "mean")
    assert (free.value, free.low) == (7.0, None) and "one value" in free.reason
    found = estimate([[0, 1, 2]] * 8, [None] * 8, "micro_f1")  # nothing is ever found
    assert (found.value, found.low, found.high) == (0.0, 0.0, pytest.approx(wilson(0, 8)[1]))


def test_only_the_groups_that_have_a_say_count_as_trials():
    # Of 25 patients five have no entity, in gold or answer: they say nothing of the F1.
    made = estimate([[0, 0, 0]] * 5 + [[2, 0, 0]] * 20, [None] * 25, "micro_f1")
    assert (made.value, made.low) == (1.0, pytest.approx(wilson(20, 20)[0]))
    assert "only 20 items" in made.caution


def test_a_perfect_auroc_rests_on_its_rarer_class():
    rows = [[1, 0.9 + i / 100] for i in range(3)] + [[0, 0.01 * i] for i in range(40)]
    made = estimate(rows, [None] * 43, "auroc")
    assert (made.value, made.high) == (1.0, 1.0) and made.low == pytest.approx(wilson(3, 3)[0])
    assert made.caution == "only 3 items of the rarest class: with fewer than 20 the 95 % interval is only approximate"
    one = estimate(rows[2:], [None] * 41, "auroc")
    assert (one.value, one.low, one.reason) == (1.0, None, "not defined without one of the groups")
    undefined = estimate([[1, 0.9], [1, 0.8]], [None, None], "auroc")
    assert undefined.value is None and "both classes" in undefined.reason


def test_a_class_without_errors_keeps_its_doubt_in_a_macro_mean():
    # Class two is right 25 times of 25; its recall may still be 0.87.
    rows = [[1, 0, 0, 0, 0, 0]] * 60 + [[0, 0, 1, 0, 1, 0]] * 15 + [[0, 0, 0, 1, 0, 0]] * 25
    made = estimate(rows, [None] * 100, "balanced_accuracy")
    assert made.value == pytest.approx((60 / 75 + 1) / 2)
    assert made.value - made.low > (1 - wilson(25, 25)[0]) / 2
    assert made.method == "mean of 2 classes' score intervals, jackknife over 100 items"


def test_cautions_stand_where_the_simulations_fail():
    assert estimate(SCORES[:29], [None] * 29, "mean").caution.startswith("only 29 items: with fewer than 30")
    assert estimate(SCORES[:30], [None] * 30, "mean").caution == ""
    assert "only 20 patients" in estimate(SCORES, PATIENTS, "mean", unit="patients").caution
    lopsided = ["big"] * 200 + [f"p{i}" for i in range(40)]
    assert "hold most of the items" in estimate(np.random.default_rng(1).random(240), lopsided, "mean").caution
    wrong = np.ones(200)
    wrong[[3, 77, 130]] = 0
    assert "differ from the others" in estimate(wrong, [f"p{i // 4}" for i in range(200)], "mean").caution


def test_a_calibration_error_has_no_interval():
    rows = np.column_stack([RNG.random(200) < 0.5, RNG.random(200)])
    made = estimate(rows, [None] * 200, "ece")
    assert made.value is not None and made.low is None and "by chance" in made.reason


def test_median_is_woodruffs():
    made = estimate(np.arange(101.0), [None] * 101, "upper_median")
    assert (made.value, made.low, made.high) == (50.0, 40.0, 60.0)


def test_auroc_of_many_groups_without_each_of_them():
    from ehrbench.stats.jackknife import leave_one_out

    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.random(300) < 0.2, np.round(rng.random(300), 1)]).astype(float)
    codes = rng.integers(0, 40, 300)
    plain = [AGGREGATES["auroc"](rows, (codes != c).astype(int)[None])[0] for c in range(40)]
    np.testing.assert_allclose(leave_one_out(AGGREGATES["auroc"], rows, codes, 40).rest[:, 0], plain, atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "auroc", "micro_f1"])
def test_results_of_earlier_versions_can_be_made_again(name):
    columns = AGGREGATES[name].columns
    rows = np.random.default_rng(9).integers(1, 6, size=(40, columns)).astype(float)
    if name == "auroc":
        rows = np.column_stack([rows[:, 0] > 2, rows[:, 1]])
    rows = rows[np.lexsort(rows.T[::-1])]  # the order of content, in which the draws are made
    counts = np.concatenate([resample_counts(i) for i in resample_indices(40, 500, 3)])
    expected = np.quantile(AGGREGATES[name](rows, counts), [0.025, 0.975])
    got = earlier_interval(rows, [None] * 40, name, resamples=500, seed=3)
    assert got[:2] == pytest.approx(tuple(expected), abs=1e-12)
    assert got.method == "percentile bootstrap, 500 resamples of 40 items" and is_earlier(got.method)
    assert not is_earlier(estimate(rows, [None] * 40, name).method)


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


def test_a_perplexity_is_uncertain_by_a_factor():
    logs = np.random.default_rng(5).normal(-2, 1, size=40)
    made, mean = estimate(logs, [None] * 40, "perplexity_of_mean"), estimate(-logs, [None] * 40, "mean")
    assert (made.value, made.low, made.high) == pytest.approx(tuple(np.exp([mean.value, mean.low, mean.high])))
    assert made.method == "Student's t of the logarithm, jackknife over 40 items"
