"""Interval of an AUROC against a bootstrap with scikit-learn: equal values and like intervals first, then CPU time.

python benchmarks/auroc.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from ehrbench.stats.estimate import estimate

FloatArray = npt.NDArray[np.float64]


def cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5585)
    parser.add_argument("--positives", type=float, default=0.1)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = (rng.random(a.rows) < a.positives).astype(float)
    scores = np.round(rng.random(a.rows) + 0.2 * labels, 3)  # with ties
    rows = np.column_stack([labels, scores])
    draws = rng.integers(0, a.rows, size=(a.resamples, a.rows))

    def with_sklearn() -> FloatArray:
        return np.array([roc_auc_score(rows[draw, 0], rows[draw, 1]) for draw in draws])

    def with_ehrbench() -> object:
        return estimate(rows, [None] * a.rows, "auroc")

    resampled = with_sklearn()
    interval = np.quantile(resampled, [0.025, 0.975])
    found = estimate(rows, [None] * a.rows, "auroc")
    if abs(found.value - roc_auc_score(labels, scores)) > 1e-12:
        raise SystemExit("the values differ")
    if np.abs(interval - [found.low, found.high]).max() > 0.4 * resampled.std():
        raise SystemExit("the intervals differ by more than chance")
    # Ours is repeated, because one is too short to time.
    times = [(cpu_s(with_sklearn), cpu_s(lambda: [with_ehrbench() for _ in range(10)]) / 10) for _ in range(a.rounds)]
    ratios = sorted(x / y for x, y in times)
    span = f"{ratios[0]:.0f} to {ratios[-1]:.0f}"
    reference, mine = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"| {a.rows} rows, {a.resamples} resamples | scikit-learn s | ehrbench s | ratio (min to max) |\n|---|---|---|---|")
    print(f"| AUROC and interval | {reference:.3f} | {mine:.4f} | {statistics.median(ratios):.0f} ({span}) |")


if __name__ == "__main__":
    main()
