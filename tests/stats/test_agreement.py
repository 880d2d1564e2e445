"""Agreement among raters: published examples, scipy, and identities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats.agreement import kendall_w, krippendorff_alpha, rater_tau

NAN = float("nan")
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): four observers, twelve units
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def test_alpha_of_krippendorffs_example():
    assert krippendorff_alpha(OBSERVERS, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(OBSERVERS, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(OBSERVERS, "interval") == pytest.approx(0.849, abs=5e-4)


def test_alpha_at_its_ends():
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]]) == 1.0
    assert krippendorff_alpha([[1, 2], [2, 1]]) < 0
    assert np.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert np.isnan(krippendorff_alpha([[1, NAN], [NAN, 2]]))
    with pytest.raises(ValueError, match="level"):
        krippendorff_alpha(OBSERVERS, "ratio")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.0, NAN]), min_size=5, max_size=5), min_size=2, max_size=4),
    st.permutations(range(5)),
)
def test_alpha_ignores_the_order_of_units_and_monotone_relabelling(table, order):
    alpha = krippendorff_alpha(table)
    np.testing.assert_allclose(krippendorff_alpha(np.array(table)[:, list(order)]), alpha)
    np.testing.assert_allclose(krippendorff_alpha(np.array(table) ** 3), alpha)
    np.testing.assert_allclose(krippendorff_alpha(table[::-1]), alpha)


def test_w_is_friedmans_chi_square():
    from scipy.stats import friedmanchisquare

    rng = np.random.default_rng(0)
    for _ in range(50):
        table = rng.integers(1, 6, size=(4, 7)).astype(float)
        chi2 = friedmanchisquare(*table.T).statistic
        assert kendall_w(table) == pytest.approx(chi2 / (4 * 6), abs=1e-12)


def test_w_at_its_ends():
    assert kendall_w([[1, 2, 2, 4]] * 3) == pytest.approx(1.0)
    assert kendall_w([[1, 2, 3], [3, 2, 1]]) == pytest.approx(0.0)
    assert np.isnan(kendall_w([[1, 1], [1, 1]]))
    assert np.isnan(kendall_w([[1, 2, 3]]))
    assert np.isnan(kendall_w([[1, 2], [1, NAN]]))


def test_tau_of_raters_by_hand():
    # 1st item: pairs of raters 1.0, 1/3, 1/3; 2nd: one pair; 3rd: one rater; 4th: a rater who ties everything counts in no pair
    table = [
        [[1, 2, 3], [1, 2, 3], [2, 1, 3]],
        [[1, 2, 3], [3, 2, 1], [NAN] * 3],
        [[1, 2, 3], [NAN] * 3, [NAN] * 3],
        [[1, 2, 3], [1, 2, 3], [2, 2, 2]],
    ]
    np.testing.assert_allclose(rater_tau(table), [5 / 9, -1.0, NAN, 1.0])
    assert np.isnan(rater_tau([[[1, 2, 3]]])).all()
