"""Win rates and mean ranks: the worked toy case, MedAlign's sums, and identities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats.win_rates import head_to_head, mean_ranks, mid_ranks, outcomes, win_rates_of

TOY = [[1, 2, 2], [1, 1, 3], [2, 1, 3]]
NAN = float("nan")


def test_the_worked_toy_case():
    table = head_to_head(TOY)
    np.testing.assert_allclose(table.wins, [[NAN, 1 / 3, 1], [1 / 3, NAN, 2 / 3], [0, 0, NAN]])
    np.testing.assert_allclose(table.ties, [[NAN, 1 / 3, 0], [1 / 3, NAN, 1 / 3], [0, 1 / 3, NAN]])
    np.testing.assert_allclose(win_rates_of(TOY, "excluded").rates, [0.75, 0.75, 0.0])
    np.testing.assert_allclose(win_rates_of(TOY, "half").rates, [0.750, 2 / 3, 1 / 12])
    np.testing.assert_allclose(win_rates_of(TOY, "strict").rates, [2 / 3, 1 / 2, 0.0])
    means, n = mean_ranks(TOY)
    np.testing.assert_allclose(means, [1.5, 5 / 3, 17 / 6])
    assert n.tolist() == [3, 3, 3]


def test_missing_ranks_leave_their_pairs_out():
    ranks = [[1, 2, NAN], [1, NAN, NAN], [2, 1, NAN]]
    found = win_rates_of(ranks)
    np.testing.assert_allclose(found.rates, [0.5, 0.5, NAN])
    assert found.n_skipped == 4
    assert head_to_head(ranks).n.tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(mid_ranks(ranks)[1], [1, NAN, NAN])
    np.testing.assert_allclose(mean_ranks(ranks)[0], [4 / 3, 1.5, NAN])


def test_pairs_that_are_always_tied_are_skipped_and_counted():
    found = win_rates_of([[1, 1, 2]])
    np.testing.assert_allclose(found.rates, [1, 1, 0])
    assert found.n_skipped == 2
    assert win_rates_of([[1, 1, 2]], "half").n_skipped == 0
    with pytest.raises(ValueError, match="rule"):
        win_rates_of(TOY, "loss")


rankings = st.integers(2, 6).flatmap(
    lambda k: st.lists(st.lists(st.integers(1, k), min_size=k, max_size=k), min_size=1, max_size=8)
)


@settings(max_examples=200, deadline=None)
@given(rankings)
def test_identities(ranks):
    k = len(ranks[0])
    places = mid_ranks(ranks)
    np.testing.assert_allclose(places.sum(axis=1), k * (k + 1) / 2)
    half = win_rates_of(ranks, "half")
    assert half.rates.sum() == pytest.approx(k / 2)
    np.testing.assert_allclose(half.rates, (k - mean_ranks(ranks)[0]) / (k - 1))
    excluded = win_rates_of(ranks, "excluded")
    sums = excluded.matrix + excluded.matrix.T
    np.testing.assert_allclose(sums[np.isfinite(sums)], 1.0)
    if excluded.n_skipped == 0:
        assert excluded.rates.sum() == pytest.approx(k / 2)
    table = head_to_head(ranks)
    off = ~np.eye(k, dtype=bool)
    np.testing.assert_allclose((table.wins + table.wins.T + table.ties)[off], 1.0)
    np.testing.assert_allclose(win_rates_of(np.array(ranks) * 10 - 3).rates, excluded.rates)


@settings(max_examples=100, deadline=None)
@given(rankings)
def test_mid_ranks_are_scipys(ranks):
    from scipy.stats import rankdata

    np.testing.assert_array_equal(mid_ranks(ranks), rankdata(ranks, axis=1))


def test_scores_of_a_metric_serve_as_negative_ranks():
    scores = np.array([[0.9, 0.3, 0.3 + 1e-14]])
    assert outcomes(-scores).better[0].tolist() == [[False, True, True], [False] * 3, [False] * 3]
    assert outcomes(-scores).tied[0, 1].tolist() == [False, False, True]
