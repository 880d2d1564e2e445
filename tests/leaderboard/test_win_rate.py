"""Mean win rates: against values by hand and against a simulation of its own."""

from __future__ import annotations

import random
from statistics import NormalDist, mean, quantiles

import pytest

from ehrbench.leaderboard.ranks import Estimate
from ehrbench.leaderboard.winrate import Season, TaskEstimates, gap, printed_win_rates

Z = NormalDist().inv_cdf(0.975)


def _estimate(value: float, error: float) -> Estimate:
    return Estimate(value, value - Z * error, value + Z * error)


def test_one_task_and_two_models_have_the_chance_that_one_is_better() -> None:
    rates = Season([TaskEstimates({0: _estimate(0.6, 0.03), 1: _estimate(0.55, 0.04)})], 2).win_rates()
    chance = NormalDist().cdf(0.05 / 0.05)  # the errors of 0.03 and 0.04 make one of 0.05
    a, b = rates.estimates
    assert a is not None and b is not None
    assert a.value == pytest.approx(chance, abs=0.03)
    assert a.value + b.value == pytest.approx(1)


def test_the_interval_is_that_of_a_simulation_pairing_by_pairing() -> None:
    drawn = random.Random(5)
    tasks = [
        {m: (drawn.uniform(0.3, 0.7), drawn.uniform(0.01, 0.06)) for m in range(5) if drawn.random() > 0.2} for _ in range(40)
    ]
    rates = Season([TaskEstimates({m: _estimate(*one) for m, one in task.items()}) for task in tasks], 5).win_rates()
    shares: dict[int, list[float]] = {m: [] for m in range(5)}
    for _ in range(2000):
        values = [{m: drawn.gauss(*one) for m, one in task.items()} for task in tasks]
        for m, own in shares.items():
            pairings = [value[m] > other for value in values if m in value for k, other in value.items() if k != m]
            own.append(mean(pairings))
    for m, own in shares.items():
        found, cuts = rates.estimates[m], quantiles(own, n=40)
        assert found is not None
        assert found.value == pytest.approx(mean(own), abs=0.01)
        assert (found.low, found.high) == (pytest.approx(cuts[0], abs=0.02), pytest.approx(cuts[-1], abs=0.02))


def test_rate_rank_and_difference_come_from_the_same_draws() -> None:
    tasks = [TaskEstimates({m: _estimate(0.5 + m / 50, 0.02) for m in range(3)}) for _ in range(8)]
    rates = Season(tasks, 3).win_rates()
    ahead = gap(rates, 2, 0)
    first, last = rates.estimates[2], rates.estimates[0]
    assert first is not None and last is not None
    assert ahead.value == pytest.approx(first.value - last.value)
    assert bool(rates.better[2, 0]) == (ahead.low > 0)


def test_tasks_of_the_same_patients_move_together() -> None:
    tasks = [TaskEstimates({m: _estimate(0.5, 0.05) for m in range(2)}) for _ in range(20)]
    apart, together = (Season(tasks, 2, shared=shared).win_rates().estimates[0] for shared in (False, True))
    assert apart is not None and together is not None
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_a_model_alone_on_its_tasks_has_no_rate() -> None:
    rates = Season([TaskEstimates({0: _estimate(0.5, 0.1)}), TaskEstimates({1: _estimate(0.5, 0.1)})], 2).win_rates()
    assert rates.estimates == [None, None]


def test_printed_values_count_ties_half() -> None:
    tasks = [TaskEstimates({0: Estimate(0.5, 0.5, 0.5), 1: Estimate(0.5, 0.5, 0.5), 2: Estimate(0.4, 0.4, 0.4)})]
    assert printed_win_rates(tasks, 3) == [0.75, 0.75, 0.0]
    lower = [tasks[0]._replace(higher_is_better=False)]
    assert printed_win_rates(lower, 3) == [0.25, 0.25, 1.0]
