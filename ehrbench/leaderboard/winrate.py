"""Mean win rate: the share of pairings that a model wins, a pairing being a task that two models both have.

It compares models that did not all run the same tasks, and tasks that are measured in different units. A pairing counts as won
to the degree that the two intervals make it certain: every model's value on every task is drawn from its interval again and
again, each draw gives every model a share of wins, and the mean and the middle 95 % of these shares are the win rate and its
interval. Rank ranges come from the same draws. Tasks that rest on the same patients move together in a draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.leaderboard.ranks import Better, Estimate

DRAWS = 1000
_Z = 1.959963984540054
_SURE = 0.975


class TaskEstimates(NamedTuple):
    """What the models reached in one task."""

    by_model: Mapping[int, Estimate]
    higher_is_better: bool = True


class Season:
    """Draws of many tasks, kept so that a suite's and its categories' win rates rest on the same ones."""

    def __init__(self, tasks: Sequence[TaskEstimates], n_models: int, *, shared: bool = False, seed: int = 0) -> None:
        """Draw every task once.

        Args:
            tasks: each task's estimates by the model's number, 0 to ``n_models`` - 1.
            n_models: how many models there are.
            shared: whether the same patients stand behind the tasks, so that a model's errors go together.
            seed: of the draws; task i has ``seed + i``.
        """
        self.n_models = n_models
        common = np.random.default_rng(seed).standard_normal((DRAWS, n_models), np.float32) if shared else None
        place = np.uint8 if n_models <= 256 else np.uint16
        self._tasks: list[tuple[list[int], npt.NDArray[np.unsignedinteger[Any]]]] = []
        for k, task in enumerate(tasks):
            models = sorted(task.by_model)
            if len(models) < 2:
                self._tasks.append(([], np.zeros((DRAWS, 0), place)))
                continue
            value, low, high = np.array([task.by_model[m] for m in models], np.float32).T
            own = np.random.default_rng(seed + k)
            z = common[:, models] if common is not None else own.standard_normal((DRAWS, len(models)), np.float32)
            drawn = value + z * np.where(z < 0, value - low, high - value) / np.float32(_Z)
            order = np.argsort(drawn if task.higher_is_better else -drawn, axis=1)
            places = np.empty(order.shape, place)
            np.put_along_axis(places, order, np.arange(len(models), dtype=place)[None, :], axis=1)
            self._tasks.append((models, places))

    def win_rates(self, which: Sequence[int] | None = None) -> WinRates:
        """The win rates over all tasks, or over some of them by their number."""
        won = np.zeros((DRAWS, self.n_models))
        pairings = np.zeros(self.n_models)
        n_tasks = np.zeros(self.n_models, dtype=int)
        for models, places in self._tasks if which is None else [self._tasks[k] for k in which]:
            if models:
                won[:, models] += places
                pairings[models] += len(models) - 1
                n_tasks[models] += 1
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(pairings > 0, won / pairings, np.nan)
        better = np.zeros((self.n_models, self.n_models), dtype=bool)
        for m in range(self.n_models):
            better[m] = (share[:, [m]] > share).mean(axis=0) >= _SURE
        estimates = [_estimate(share[:, m], int(n_tasks[m])) if pairings[m] else None for m in range(self.n_models)]
        return WinRates(estimates, n_tasks.tolist(), better, share)


class WinRates(NamedTuple):
    """The win rates of several models."""

    estimates: list[Estimate | None]
    """None for a model that shares no task with another."""
    n_tasks: list[int]
    """Tasks behind each, of those that at least two models have."""
    better: Better
    """Who has the greater win rate beyond chance; models without one are never better."""
    draws: npt.NDArray[np.float64]
    """[draws, models], NaN for a model without a win rate."""


def printed_win_rates(tasks: Sequence[TaskEstimates], n_models: int) -> list[float | None]:
    """Shares of pairings won by values without intervals, a tie counting half; None for a model without a pairing."""
    won = np.zeros(n_models)
    pairings = np.zeros(n_models)
    for task in tasks:
        models = sorted(task.by_model)
        values = np.array([task.by_model[m].value for m in models]) * (1 if task.higher_is_better else -1)
        won[models] += (values[:, None] > values).sum(axis=1) + ((values[:, None] == values).sum(axis=1) - 1) / 2
        pairings[models] += len(models) - 1
    return [float(w / n) if n else None for w, n in zip(won, pairings, strict=True)]


def gap(rates: WinRates, a: int, b: int) -> Estimate:
    """The difference of two models' win rates, from the same draws."""
    drawn = rates.draws[:, a] - rates.draws[:, b]
    low, high = np.quantile(drawn, [1 - _SURE, _SURE])
    return Estimate(float(drawn.mean()), float(low), float(high))


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a share of ``n`` trials, which need not be a whole number of them."""
    z2 = _Z**2 / n
    centre, half = (share + z2 / 2) / (1 + z2), _Z / (1 + z2) * sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, centre - half) if share > 0 else 0.0, min(1.0, centre + half) if share < 1 else 1.0


def _estimate(share: npt.NDArray[np.float64], n_tasks: int) -> Estimate:
    low, high = (float(end) for end in np.quantile(share, [1 - _SURE, _SURE]))
    if low == high:
        # Won or lost in every draw: as many trials as tasks, as a single mean without variation has as many as patients.
        low, high = _wilson(low, n_tasks)
    return Estimate(float(share.mean()), low, high)
