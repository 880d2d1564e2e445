"""Raters among themselves."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from ehrbench.correlation.options import Options
from ehrbench.correlation.raters import rater_agreement
from ehrbench.correlation.ratings import build
from tests.correlation.tables import NAN, rankings
from tests.correlation.test_commands import SAMPLE, ehrbench


def three(orders, verdicts=None):
    """Items ranked by three people; ``orders[item][rater]`` is a ranking."""
    rows = {
        (f"i{i}", f"r{r}", "ABC"[s]): (float(rank), NAN if verdicts is None else float(verdicts[i][r][s]), False, NAN)
        for i, item in enumerate(orders)
        for r, order in enumerate(item)
        for s, rank in enumerate(order)
    }
    return build("toy", rows, {}, with_used=False, with_lengths=False)


def test_perfect_agreement():
    found = rater_agreement(three([[(1, 2, 3)] * 3, [(3, 1, 2)] * 3]), Options())
    assert (found.alpha.value, found.w.value, found.tau.value) == (1, 1, 1)
    assert (found.n_items, found.n_raters, found.alpha.n) == (2, 3, 6)
    assert found.alpha_verdicts is None
    assert [(p.a, p.b, p.tau, p.n) for p in found.pairs] == [("r0", "r1", 1, 2), ("r0", "r2", 1, 2), ("r1", "r2", 1, 2)]


def test_by_hand():
    # Two raters of three systems: one pair of the three is turned round, so tau = 1/3; rank sums 3, 3, 6, mean 4.
    found = rater_agreement(three([[(1, 2, 3), (2, 1, 3)]]), Options())
    assert found.tau.value == pytest.approx(1 / 3)
    assert found.w.value == pytest.approx(12 * (1 + 1 + 4) / (4 * 24))
    assert found.alpha.low is None, "one item only"


def test_scales_of_the_raters_do_not_matter():
    same = rater_agreement(three([[(1, 2, 2), (1, 2.5, 2.5), (3, 9, 9)], [(1, 1, 2), (1.5, 1.5, 3), (4, 4, 8)]]), Options())
    assert same.alpha.value == pytest.approx(1)
    assert same.w.value == pytest.approx(1)


def test_verdicts_and_missing_ranks():
    orders = [[(1, 2, 3), (1, 2, NAN), (2, 1, 3)], [(1, 2, 3), (1, 3, 2), (1, 2, 3)]]
    verdicts = [[(1, 0, 0), (1, 0, 1), (1, 0, 0)], [(1, 0, 0), (1, 0, 0), (1, 1, 0)]]
    found = rater_agreement(three(orders, verdicts), Options())
    assert (found.w.n, found.n_w_undefined) == (1, 1)
    assert found.tau.n == 2
    assert 0 < found.alpha_verdicts.value < 1
    assert found.alpha.low <= found.alpha.value <= found.alpha.high


def test_one_rater_says_nothing():
    found = rater_agreement(rankings([[1, 2], [2, 1]]), Options())
    assert (found.alpha.value, found.w.value, found.tau.value, found.pairs) == (None, None, None, [])


def test_the_command(tmp_path):
    result = ehrbench("agreement", *SAMPLE, "--out", tmp_path)
    assert "7 items ranked by several" in result.stdout
    rows = {row["statistic"]: row for row in csv.DictReader((tmp_path / "agreement.csv").open())}
    assert float(rows["Kendall's W"]["low"]) < float(rows["Kendall's W"]["value"]) < 1
    plain = json.loads((tmp_path / "agreement.json").read_text())
    assert plain["tau"]["value"] == pytest.approx(float(rows["Kendall's tau-b between raters"]["value"]))
    assert np.isclose(np.mean([pair["tau"] for pair in plain["pairs"]]), plain["tau"]["value"])
