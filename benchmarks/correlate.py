"""Mean Kendall tau with intervals against a loop over scipy and its bootstrap: equal taus first, then CPU time, side by side.

python benchmarks/correlate.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap, kendalltau

from ehrbench.correlation.correlate import correlate
from ehrbench.correlation.options import Options
from ehrbench.correlation.ratings import build
from ehrbench.correlation.scores import Scores
from ehrbench.stats.estimate import estimate
from ehrbench.stats.rank_correlation import pair_counts, with_nan_policy

FloatArray = npt.NDArray[np.float64]
Row = tuple[float, float, float]


def with_scipy(human: FloatArray, metrics: FloatArray, resamples: int) -> list[Row]:
    rows = []
    for scores in metrics:
        taus = np.array([kendalltau(h, m).statistic for h, m in zip(human, scores, strict=True)])
        taus = taus[~np.isnan(taus)]
        interval = bootstrap((taus,), np.mean, n_resamples=resamples, method="percentile", rng=0).confidence_interval
        rows.append((float(taus.mean()), float(interval.low), float(interval.high)))
    return rows


def with_ehrbench(human: FloatArray, metrics: FloatArray) -> list[Row]:
    rows = []
    for taus in with_nan_policy(pair_counts(human, metrics)).values:
        taus = taus[~np.isnan(taus)]
        found = estimate(taus, [None] * len(taus), "mean", bounds=(-1, 1))
        rows.append((found.value, found.low, found.high))
    return rows  # type: ignore[return-value]


def whole(human: FloatArray, metrics: FloatArray) -> Callable[[], object]:
    """All that ``ehrbench correlate`` computes, of the same ranks and scores, with 10,000 resamples and permutations."""
    nan = float("nan")
    items, systems = ([f"{letter}{i:04}" for i in range(n)] for letter, n in zip("is", human.shape, strict=True))
    rows = {
        (item, "r", system): (-human[i, s], nan, True, nan) for i, item in enumerate(items) for s, system in enumerate(systems)
    }
    ratings = build("benchmark", rows, {}, with_used=False, with_lengths=False)
    scores = [
        Scores(f"m{k:02}", f"m{k:02}", True, {(i, s): float(x) for i, row in zip(items, matrix) for s, x in zip(systems, row)})  # noqa: B905
        for k, matrix in enumerate(metrics)
    ]
    return lambda: correlate(ratings, scores, Options())


def cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=303)
    parser.add_argument("--systems", type=int, default=6)
    parser.add_argument("--metrics", type=int, default=13)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    rng = np.random.default_rng(0)
    human = -rng.integers(1, 6, size=(a.items, a.systems)).astype(float)
    metrics = human + rng.normal(size=(a.metrics, a.items, a.systems)) * np.linspace(0.5, 3, a.metrics)[:, None, None]
    theirs, ours = np.array(with_scipy(human, metrics, a.resamples)), np.array(with_ehrbench(human, metrics))
    if np.abs(theirs[:, 0] - ours[:, 0]).max() > 1e-12 or np.abs(theirs - ours).max() > 0.02:
        raise SystemExit("the taus differ, or the intervals differ by more than chance")
    times = []
    for _ in range(a.rounds):
        reference = cpu_s(lambda: with_scipy(human, metrics, a.resamples))
        # repeated, because one is too short to time
        times.append((reference, cpu_s(lambda: [with_ehrbench(human, metrics) for _ in range(10)]) / 10))
    ratios = sorted(x / y for x, y in times)
    size = f"{a.items} items x {a.systems} systems x {a.metrics} metrics, {a.resamples} resamples"
    print(f"| {size} | scipy s | ehrbench s | ratio (min to max) |\n|---|---|---|---|")
    span = f"{ratios[0]:.0f} to {ratios[-1]:.0f}"
    reference, mine = (statistics.median(column) for column in zip(*times, strict=True))
    pairs = a.metrics * (a.metrics - 1) // 2
    everything = statistics.median(cpu_s(whole(human, metrics)) for _ in range(3))
    print(f"| tau-b and interval | {reference:.3f} | {mine:.4f} | {statistics.median(ratios):.0f} ({span}) |")

    print(f"\nAll of `ehrbench correlate`, 10,000 resamples and permutations, {pairs} pairs of metrics: {everything:.1f} s")


if __name__ == "__main__":
    main()
