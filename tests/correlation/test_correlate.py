"""Metrics beside people: the worked example, symmetries, undefined items, tests between metrics, resampling."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.correlation.correlate import correlate
from ehrbench.correlation.options import Options
from ehrbench.correlation.ratings import build
from ehrbench.errors import UsageError
from ehrbench.stats.paired import paired_test, permute_both
from ehrbench.stats.win_rates import mid_ranks
from tests.correlation.tables import NAN, rankings, scores

FEW = Options(resamples=200)


def test_the_worked_example():
    report = correlate(
        rankings([[1, 1, 2, 3, 3, 4], [2, 2, 2, 2, 2, 2]]),
        [scores("m", [[0.80, 0.70, 0.75, 0.40, 0.50, 0.10], [1, 2, 3, 4, 5, 6]])],
        FEW,
    )
    (m,) = report.metrics
    assert m.variants["a"] == pytest.approx((11 / 15) / 2), "tau-a is defined, and 0, where people prefer nothing"
    assert {v: m.variants[v] for v in "bc"} == pytest.approx({"b": 0.7877, "c": 0.8148}, abs=5e-5)
    assert m.variants["acc_eq"] == pytest.approx(0.8 / 2)
    assert m.value.value == m.policies["exclude"] == m.policies["mixed"] == m.variants["b"]
    assert m.policies["zero"] == pytest.approx(m.variants["b"] / 2)
    assert (m.value.n, m.n_human_constant, m.n_metric_constant, m.n_too_few) == (1, 1, 0, 0)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["a", "b", "c"]))
@settings(max_examples=25, deadline=None)
def test_reversing_a_metric_reverses_its_tau(seed, tau):
    rng = np.random.default_rng(seed)
    people = rankings(rng.integers(1, 4, size=(8, 4)))
    matrix = rng.integers(0, 4, size=(8, 4))
    options = Options(tau=tau, resamples=100)
    up, down = (correlate(people, [s], options).metrics[0] for s in (scores("m", matrix), scores("m", -matrix)))
    same = correlate(people, [scores("m", -matrix, higher_is_better=False)], options).metrics[0]
    if up.value.value is None:
        assert down.value.value is None
        return
    assert down.value.value == pytest.approx(-up.value.value)
    assert same.value == up.value
    assert (down.value.n, down.n_metric_constant) == (up.value.n, up.n_metric_constant)


def test_a_metric_must_not_gain_by_abstaining():
    people = rankings([[1, 2], [1, 2], [1, 1]])
    matrix = [[1, 0], [5, 5], [1, 0]]
    values = {
        p: correlate(people, [scores("m", matrix)], Options(nan_policy=p, resamples=100)).metrics[0]
        for p in ("exclude", "mixed", "zero")
    }
    assert {p: m.value.value for p, m in values.items()} == pytest.approx({"exclude": 1, "mixed": 0.5, "zero": 1 / 3})
    assert {p: m.value.n for p, m in values.items()} == {"exclude": 1, "mixed": 2, "zero": 3}
    for m in values.values():
        assert m.policies == pytest.approx({"exclude": 1, "mixed": 0.5, "zero": 1 / 3})
        assert (m.n_human_constant, m.n_metric_constant) == (1, 1)


def test_a_missing_answer_leaves_its_pairs_out():
    report = correlate(rankings([[1, 2, 3], [1, 2, NAN]]), [scores("m", [[3, NAN, 1], [2, NAN, 1]])], FEW)
    (m,) = report.metrics
    assert m.value.value == 1
    assert (m.value.n, m.n_too_few) == (1, 1)
    assert any("2 of 6 rated answers have no score" in note for note in report.notes)
    assert any("1 of 6 answers have no rank" in note for note in report.notes)


def noisy(items=40, systems=5, metrics=3, seed=0, step=1.0):
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=(items, systems))
    people = np.round(-2 * quality + rng.normal(size=quality.shape))
    return people, [quality + rng.normal(size=quality.shape) * (0.3 + step * m) for m in range(metrics)]


def test_tests_between_metrics_agree_with_the_plain_ones():
    people, matrices = noisy()
    report = correlate(rankings(people), [scores(f"m{i}", x) for i, x in enumerate(matrices)], Options(resamples=4000))
    order = [int(m.name[1:]) for m in report.metrics]
    from ehrbench.stats.rank_correlation import kendall, pair_counts

    for pair in report.tests.pairs:
        x, y = matrices[order[pair.a]], matrices[order[pair.b]]
        taus = [kendall(pair_counts(-people, matrix)) for matrix in (x, y)]
        plain = paired_test(*taus, [None] * 40, resamples=4000)
        assert pair.difference == pytest.approx(plain.difference)
        assert (pair.low, pair.high) == pytest.approx((plain.low, plain.high), abs=0.02)
        assert pair.p == pytest.approx(plain.p, abs=0.03)
        assert (pair.low <= 0 <= pair.high) == (pair.p > 0.05)
        swapped = permute_both(-people, x, y, permutations=4000, seed=5)
        assert pair.p_permutation == pytest.approx(swapped.p, abs=0.03)
        assert pair.p_permutation_holm >= pair.p_permutation
    assert report.metrics[0].cluster == "a"
    assert [m.value.value for m in report.metrics] == sorted((m.value.value for m in report.metrics), reverse=True)


def test_a_metric_beside_itself_is_no_different():
    people, (x, *_) = noisy(metrics=1)
    report = correlate(rankings(people), [scores("one", x), scores("two", 3 * x + 1)], Options(resamples=500))
    (pair,) = report.tests.pairs
    assert (pair.difference, pair.p_permutation, pair.p) == (0, 1, 1)
    assert pair.low is None  # not "0 to 0"
    assert {m.cluster for m in report.metrics} == {"a"}


def test_metrics_are_compared_on_the_answers_that_both_score():
    people, (x, y) = noisy(metrics=2)
    holes = y.copy()
    holes[:20, 0] = np.nan
    report = correlate(rankings(people), [scores("x", x), scores("y", holes)], Options(resamples=200))
    (pair,) = report.tests.pairs
    same = correlate(
        rankings(people), [scores("x", np.where(np.isnan(holes), np.nan, x)), scores("y", holes)], Options(resamples=200)
    )
    assert pair.difference == pytest.approx(same.tests.pairs[0].difference)
    assert report.metrics[0].value.value != same.metrics[0].value.value


def test_the_order_of_items_and_of_rows_does_not_matter():
    people, matrices = noisy(items=12)
    cells = {(f"i{i:02}", "r1", "ABCDE"[s]): (people[i, s], NAN, True, NAN) for i in range(12) for s in range(5)}
    turned = build("toy", dict(reversed(cells.items())), {}, with_used=False, with_lengths=False)
    found = [correlate(r, [scores(f"m{i}", x) for i, x in enumerate(matrices)], FEW) for r in (rankings(people), turned)]
    assert [(m.name, m.value, m.calibrated) for m in found[0].metrics] == [
        (m.name, m.value, m.calibrated) for m in found[1].metrics
    ]
    assert found[0].tests.pairs == found[1].tests.pairs


def test_drawing_systems_too_widens_the_interval():
    people, matrices = noisy(items=30)
    both, items = (
        correlate(rankings(people), [scores("m", matrices[1])], Options(unit=unit, resamples=2000)).metrics[0].value
        for unit in ("both", "items")
    )
    assert both.value == items.value
    assert both.high - both.low > 1.3 * (items.high - items.low)
    rng, draws = np.random.default_rng(1), []
    from ehrbench.stats.rank_correlation import pair_counts, with_nan_policy

    for _ in range(1000):
        rows, columns = rng.integers(0, 30, 30), rng.integers(0, 5, 5)
        cut = np.ix_(rows, columns)
        draws.append(with_nan_policy(pair_counts(-people[cut], matrices[1][cut])).mean)
    assert (both.low, both.high) == pytest.approx(tuple(np.nanquantile(draws, [0.025, 0.975])), abs=0.06)
    with pytest.raises(UsageError, match="do not go together"):
        correlate(rankings(people), [scores("m", matrices[1])], Options(unit="both", tau="c"))


def test_each_of_three_rankings_counts_a_third():
    rows = {
        ("one", f"r{r}", s): (float(rank), NAN, False, NAN)
        for r, order in enumerate(([1, 2], [1, 2], [2, 1]))
        for s, rank in zip("AB", order, strict=True)
    }
    rows |= {("two", "r0", s): (rank, NAN, False, NAN) for s, rank in (("A", 1.0), ("B", 2.0))}
    people = build("toy", rows, {}, with_used=False, with_lengths=False)
    metric = scores("m", [[1, 0], [1, 0]])
    cells = {("one", "A"): 1.0, ("one", "B"): 0.0, ("two", "A"): 1.0, ("two", "B"): 0.0}
    from dataclasses import replace

    (m,) = correlate(people, [replace(metric, cells=cells)], FEW).metrics
    assert m.value.value == pytest.approx((1 / 3 + 1) / 2)
    assert m.value.n == 2


def test_model_level():
    people, matrices = noisy(items=60, step=2)
    report = correlate(
        rankings(people), [scores(f"m{i}", x) for i, x in enumerate(matrices)], Options(resamples=500, level="model")
    )
    assert report.statistic == "soft pairwise accuracy"
    for m in report.metrics:
        assert 0 <= m.model_level.low <= m.model_level.soft.accuracy <= m.model_level.high <= 1
        assert m.model_level.soft.n_items == 60
    same = scores("people", -mid_ranks(people))
    itself = correlate(rankings(people), [same], Options(resamples=500, level="model")).metrics[0].model_level
    assert (itself.soft.accuracy, itself.tau) == (1, 1)


def test_win_rates_of_a_metric_stand_beside_peoples():
    people = [[1, 2, 2], [1, 1, 3], [2, 1, 3]]
    (m,) = correlate(rankings(people), [scores("m", -np.array(people))], FEW).metrics
    assert m.win_rates["excluded"] == pytest.approx([0.75, 0.75, 0])
    assert m.pairings.wins[0, 2] == 1
    assert m.pairings.ties[0, 1] == pytest.approx(1 / 3)


def test_lengths():
    people, (x, *_) = noisy(metrics=1, items=10)
    from dataclasses import replace

    base = replace(rankings(people), lengths=x * 3)
    report = correlate(base, [scores("m", x)], FEW)
    assert report.metrics[0].length.value == pytest.approx(1)
    assert report.human_length.value == pytest.approx(report.metrics[0].value.value)


def test_the_same_metric_twice_and_none_at_all():
    people, (x, y) = noisy(metrics=2)
    with pytest.raises(UsageError, match="'m' is scored twice"):
        correlate(rankings(people), [scores("m", x), scores("m", y)], FEW)
    with pytest.raises(UsageError, match="no metric to correlate"):
        correlate(rankings(people), [], FEW)


def test_thirteen_metrics_take_seconds():
    people, matrices = noisy(items=303, systems=6, metrics=13, step=0.2)
    started = time.process_time()
    report = correlate(rankings(people), [scores(f"m{i}", x) for i, x in enumerate(matrices)], Options())
    assert time.process_time() - started < 15
    assert len(report.tests.pairs) == 78


def test_beyond_eight_systems_random_swaps_stand_for_all():
    from ehrbench.stats.metric_pairs import permute_pairs
    from ehrbench.stats.rank_correlation import pair_counts, with_nan_policy

    people, matrices = noisy(items=30, systems=9, metrics=2, step=0.25)

    def agreement(x):
        return with_nan_policy(pair_counts(-people, x)).values

    (ours,) = permute_pairs(np.stack(matrices), [(0, 1)], agreement, permutations=2000, seed=1)
    assert ours == pytest.approx(permute_both(-people, *matrices, permutations=2000).p, abs=0.03)
