"""How often the 95 % interval covers the true value: ``python -m benchmarks.coverage``.

Each line draws data sets of so many patients from a population whose value is known and counts how often the interval lies below,
around and above it. The last column says yes for 93 to 97 %, up to twice the Monte-Carlo error, caution where most of the
intervals carry one, and else NARROW or wide.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.coverage.cells import CELLS, Cell, truth
from benchmarks.coverage.populations import Data
from ehrbench.stats.bootstrap import earlier_interval
from ehrbench.stats.combine import TaskStatistics, mean_of_tasks
from ehrbench.stats.estimate import estimate
from ehrbench.stats.paired import paired_test

PROMISED = (0.93, 0.97)


class Line(NamedTuple):
    """What was counted of one cell."""

    cell: Cell
    patients: int
    n: int
    """Data sets with an interval."""
    n_none: int
    covered: float
    below: float
    """Share of intervals that lie below the true value."""
    above: float
    width: float
    cautioned: float

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the coverage."""
        return math.sqrt(self.covered * (1 - self.covered) / self.n)

    @property
    def verdict(self) -> str:
        """Whether the promise is kept."""
        if self.cautioned > 0.5:
            return "caution"
        low, high = PROMISED
        if self.covered < low - 2 * self.error:
            return "NARROW"
        return "wide" if self.covered > high + 2 * self.error else "yes"


def interval(cell: Cell, data: Data, bootstrap: bool) -> tuple[float | None, float | None, str]:
    """The interval of a data set, and its caution."""
    groups = [str(p) for p in data.patients]
    if cell.what == "difference":
        one, other = np.hsplit(data.statistics, 2)
        test = paired_test(one, other, groups, cell.aggregate, bounds=cell.bounds, resamples=2000)
        return test.low, test.high, test.caution
    if cell.what == "average":
        tasks = []
        for number in np.unique(data.statistics[:, 0]):
            rows = np.flatnonzero(data.statistics[:, 0] == number)
            own = [groups[i] for i in rows]
            tasks.append(TaskStatistics(data.statistics[rows, 1], own, cell.aggregate, cell.bounds))
        average = mean_of_tasks(tasks, shared=True)
        return average.low, average.high, average.caution
    if bootstrap:
        return *earlier_interval(data.statistics, groups, cell.aggregate, resamples=1000)[:2], ""
    found = estimate(data.statistics, groups, cell.aggregate, bounds=cell.bounds)
    return found.low, found.high, found.caution


def simulate(cell: Cell, patients: int, n: int, bootstrap: bool) -> Line:
    """Draw n data sets and count."""
    rng = np.random.default_rng([7, patients])
    target, slack = truth(cell), 1e-9
    found = [interval(cell, cell.draw(rng, patients), bootstrap) for _ in range(n)]
    lows, highs = np.array([(low, high) for low, high, _ in found if low is not None], dtype=float).T
    below, above = float((highs < target - slack).mean()), float((lows > target + slack).mean())
    width, cautions = float((highs - lows).mean()), sum(bool(caution) for *_, caution in found)
    return Line(cell, patients, len(lows), n - len(lows), 1 - below - above, below, above, width, cautions / n)


def lines(n: int, only: str, bootstrap: bool) -> Iterator[Line]:
    """Every cell whose name holds ``only``."""
    for cell in CELLS:
        if only.lower() in f"{cell.kind}, {cell.name}".lower() and (cell.what == "value" or not bootstrap):
            for patients in cell.patients:
                yield simulate(cell, patients, n, bootstrap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000, help="data sets of each line")
    parser.add_argument("--only", default="", help="lines whose name holds this")
    parser.add_argument("--bootstrap", action="store_true", help="instead, the percentile bootstrap of earlier versions")
    a = parser.parse_args()
    print(f"{a.simulations} data sets a line\n")
    print("| value | population | patients | covered % | below % | above % | mean width | without | 93 to 97 % |")
    print("|---|---|---|---|---|---|---|---|---|")
    for line in lines(a.simulations, a.only, a.bootstrap):
        shares = f"{100 * line.covered:.1f} ± {100 * line.error:.1f} | {100 * line.below:.1f} | {100 * line.above:.1f}"
        rest = f"{line.width:.3f} | {line.n_none or ''} | {line.verdict}"
        print(f"| {line.cell.kind} | {line.cell.name} | {line.patients} | {shares} | {rest} |", flush=True)


if __name__ == "__main__":
    main()
