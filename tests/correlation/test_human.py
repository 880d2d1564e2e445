"""Statistics of people's judgements: the worked example, the identities, ties, verdicts, several raters."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from ehrbench.correlation.human import human_stats
from ehrbench.correlation.options import Options
from ehrbench.correlation.ratings import build, judge, read_ratings
from ehrbench.errors import UsageError
from tests.correlation.tables import NAN, rankings, write
from tests.correlation.test_commands import ehrbench

FEW = Options(resamples=200)


def by_name(report):
    return {system.name: system for system in report.systems}


def test_the_worked_example():
    report = human_stats(rankings([[1, 2, 2], [1, 1, 3], [2, 1, 3]]), FEW)
    found = [by_name(report)[name] for name in "ABC"]
    assert [s.win_rates["excluded"].value for s in found] == pytest.approx([0.75, 0.75, 0])
    assert [s.win_rates["half"].value for s in found] == pytest.approx([0.75, 2 / 3, 1 / 12])
    assert [s.win_rates["strict"].value for s in found] == pytest.approx([2 / 3, 1 / 2, 0])
    assert [s.mean_rank.value for s in found] == pytest.approx([1.5, 5 / 3, 17 / 6])
    assert report.names == ("A", "B", "C")
    expected = [[np.nan, 1 / 3, 1], [1 / 3, np.nan, 2 / 3], [0, 0, np.nan]]
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(report.pairings.wins[off], np.array(expected)[off])
    np.testing.assert_allclose(report.pairings.ties[off], np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])[off] / 3)
    assert report.tie_share == pytest.approx(2 / 9)
    assert (report.n_items, report.n_constant, report.inter_rater.value) == (3, 0, None)


@given(st.lists(st.lists(st.integers(1, 4), min_size=4, max_size=4), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_identities(table):
    report = human_stats(rankings(table), Options())
    k = 4
    assert sum(s.mean_rank.value for s in report.systems) == pytest.approx(k * (k + 1) / 2)
    assert sum(s.win_rates["half"].value for s in report.systems) == pytest.approx(k / 2)
    excluded = report.win_matrices["excluded"]
    both = excluded + excluded.T
    np.testing.assert_allclose(both[~np.isnan(both)], 1)
    if not np.isnan(excluded[~np.eye(k, dtype=bool)]).any():
        assert sum(s.win_rates["excluded"].value for s in report.systems) == pytest.approx(k / 2)
    for s in report.systems:
        assert s.win_rates["half"].value == pytest.approx((k - s.mean_rank.value) / (k - 1))
        assert s.win_rates["strict"].value <= s.win_rates["half"].value + 1e-12
    wins, ties = np.nan_to_num(report.pairings.wins), np.nan_to_num(report.pairings.ties)
    np.testing.assert_allclose((wins + wins.T + ties)[~np.eye(k, dtype=bool)], 1)


def test_intervals_leave_out_whole_patients():
    rng = np.random.default_rng(3)
    table = rng.integers(1, 5, size=(80, 3))
    groups = {f"i{i:02}": f"p{i // 2}" for i in range(80)}
    report = human_stats(rankings(table, groups), Options(unit="patients"))
    from ehrbench.stats.win_rates import mid_ranks, win_rates_of

    ranks = table.astype(float)
    kept = [np.delete(np.arange(80), [2 * p, 2 * p + 1]) for p in range(40)]
    means, rates = (np.array([f(ranks[rows]) for rows in kept]) for f in (_mean_places, lambda r: win_rates_of(r).rates))
    for name, mean, rate in zip("ABC", means.T, rates.T, strict=True):
        s = by_name(report)[name]
        for found, left_out in ((s.mean_rank, mean), (s.win_rates["excluded"], rate)):
            half = t.ppf(0.975, 39) * np.sqrt(39 / 40 * ((left_out - left_out.mean()) ** 2).sum())
            assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)
            assert found.low < found.value < found.high
        assert s.mean_rank.value == pytest.approx(mid_ranks(ranks).mean(axis=0)["ABC".index(name)])
    assert report.interval == "score interval, jackknife over 40 patients"


def _mean_places(ranks):
    from ehrbench.stats.win_rates import mid_ranks

    return mid_ranks(ranks).mean(axis=0)


def test_items_on_which_a_system_only_lost_count():
    report = human_stats(rankings([[1, 2, 3]] * 3 + [[1, 2, 2], [1, 1, 3]]), FEW)
    assert {s.name: s.win_rates["excluded"].n for s in report.systems} == {"A": 5, "B": 5, "C": 5}
    assert by_name(report)["C"].win_rates["excluded"].value == 0.0
    assert by_name(report)["C"].win_rates["excluded"].high > 0.2  # no win of five is not a rate of 0 to 0


def several():
    """Two items, one ranked by three people who disagree; the second rater's judgement is the used one."""
    rows = {
        ("one", "r1", "A"): (1.0, 1.0, False, NAN),
        ("one", "r1", "B"): (2.0, 0.0, False, NAN),
        ("one", "r2", "A"): (2.0, 1.0, True, NAN),
        ("one", "r2", "B"): (1.0, 1.0, True, NAN),
        ("one", "r3", "A"): (5.0, 0.0, False, NAN),
        ("one", "r3", "B"): (9.0, 1.0, False, NAN),
        ("two", "r1", "A"): (1.0, 1.0, True, NAN),
        ("two", "r1", "B"): (1.0, 0.0, True, NAN),
    }
    return build("toy", rows, {}, with_used=True, with_lengths=False)


def test_which_of_several_rankings_counts():
    ratings = several()
    used = judge(ratings)
    assert used.rule == "used"
    np.testing.assert_array_equal(used.ranks, [[2, 1], [1, 1]])
    mean = judge(ratings, "mean-rank")
    np.testing.assert_allclose(mean.ranks, [[4 / 3, 5 / 3], [1.5, 1.5]])
    np.testing.assert_allclose(mean.correct, [[2 / 3, 2 / 3], [1, 0]])
    each = judge(ratings, "each")
    assert each.item.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(each.weight, [1 / 3, 1 / 3, 1 / 3, 1])
    report = human_stats(ratings, Options(triples="each"))
    assert by_name(report)["A"].mean_rank.value == pytest.approx((4 / 3 + 1.5) / 2)
    assert (report.n_raters, report.n_repeated, report.n_items) == (3, 1, 2)
    assert report.inter_rater.n == 1
    assert report.inter_rater.value == pytest.approx((-1 + 1 - 1) / 3)


def test_verdicts_have_wilson_intervals():
    report = human_stats(several(), FEW)
    a = by_name(report)["A"].correct
    assert (a.value, a.n) == (1.0, 2)
    assert a.low == pytest.approx(0.3424, abs=1e-4)
    b = by_name(report)["B"]
    assert (b.correct.value, b.n_correct) == (0.5, 1)
    assert (b.correct.low, b.correct.high) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    averaged = by_name(human_stats(several(), Options(triples="mean-rank")))["A"]
    assert averaged.correct.value == pytest.approx((2 / 3 + 1) / 2)


def test_several_rankings_without_a_mark_are_not_guessed():
    ratings = several()
    from dataclasses import replace

    unmarked = replace(ratings, used=None)
    assert judge(unmarked).rule == "each"
    with pytest.raises(UsageError, match="several rankings and no column 'used'"):
        judge(unmarked, "used")


def test_patients_need_clusters():
    with pytest.raises(UsageError, match="no item has a cluster"):
        human_stats(rankings([[1, 2]]), Options(unit="patients"))


def test_constant_ranks_are_counted():
    report = human_stats(rankings([[1, 1, 1], [1, 2, 3]]), FEW)
    assert report.n_constant == 1
    assert report.n_items == 2


@pytest.mark.parametrize(
    ("rank", "why"),
    [("", "is empty"), ("first", "is not a number"), ("nan", "is not a finite number"), ('"1,5"', "has a decimal comma")],
)
@pytest.mark.parametrize("command", [["human-stats"], ["agreement"], ["correlate", "--scores", "s.csv"]])
def test_no_rank_that_can_be_read_is_an_error(command, rank, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "r.csv", f"item,rater,system,rank\n1,a,x,{rank}\n1,a,y,{rank}\n")
    write(tmp_path / "s.csv", "item,system,metric,score\n1,x,m,0.1\n1,y,m,0.2\n")
    with pytest.raises(UsageError, match=rf"r\.csv: none of its 2 rows has a rank that can be read \(the rank {why}\); expected"):
        ehrbench(*command, "--ratings", "r.csv")


def test_verdicts_without_ranks_still_say_how_many_are_correct(tmp_path):
    write(tmp_path / "r.csv", "item,rater,system,rank,correct\n1,a,x,,yes\n1,a,y,,no\n")
    assert [s.correct.value for s in human_stats(read_ratings(tmp_path / "r.csv"), FEW).systems] == [1, 0]


@pytest.mark.parametrize("command", ["human-stats", "agreement"])
@pytest.mark.parametrize("option", ["--resamples", "--seed"])
def test_nothing_is_drawn_so_nothing_about_draws_is_taken(command, option):
    refused = ehrbench(command, "--task", "medalign", "--data-dir", "sample", option, 500)
    assert refused.exit_code == 2 and option in refused.output


def test_the_signature_holds_only_what_decides_the_numbers(tmp_path):
    ehrbench("human-stats", "--task", "medalign", "--data-dir", "sample", "--out", tmp_path)
    signature = json.loads((tmp_path / "human.json").read_text())["signature"]
    assert "tau:b" in signature and "B:" not in signature and "seed:" not in signature
