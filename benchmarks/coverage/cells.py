"""The grid: which value of which population, with how many patients."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from benchmarks.coverage.populations import (
    Draw,
    beta_scores,
    classes,
    found_entities,
    labels_and_scores,
    mostly_zero,
    probabilities,
    proportion,
    ratios,
    scores,
    several_tasks,
    two_entity_finders,
    two_scores,
    two_systems,
)
from ehrbench.stats.aggregate import AGGREGATES
from ehrbench.stats.interval import Bounds

UNIT: Bounds = (0.0, 1.0)
TRUTH_PATIENTS = 200_000


def _percent(shares: tuple[float, ...]) -> str:
    return "/".join(f"{100 * share:.0f}" for share in shares)


class Cell(NamedTuple):
    """One line of the grid."""

    kind: str
    name: str
    draw: Draw
    patients: tuple[int, ...]
    aggregate: str = "mean"
    bounds: Bounds | None = UNIT
    truth: float | None = None
    """None: the value of a very large data set."""
    what: Literal["value", "difference", "average"] = "value"
    """A value; a difference of two systems, whose statistics stand side by side; an average of tasks, their number first."""


CELLS = [
    *(Cell("proportion", f"{p:g}, 1 item", proportion(p), (10, 30, 100), truth=p) for p in (0.5, 0.8, 0.9, 0.95, 0.98)),
    *(
        Cell("proportion", f"{p:g}, 5 items, correlated {c:g}", proportion(p, 5, c), (10, 30, 100), truth=p)
        for p in (0.5, 0.8, 0.95, 0.98)
        for c in (0.2, 0.5)
    ),
    Cell("mean", "symmetric", beta_scores(5, 5), (10, 30, 100), truth=0.5),
    Cell("mean", "two humps", beta_scores(0.3, 0.3), (10, 30, 100), truth=0.5),
    Cell("mean", "skewed", beta_scores(0.5, 5), (10, 30, 100), truth=0.5 / 5.5),
    Cell("mean", "skewed, 5 items, correlated", beta_scores(0.5, 5, 5, 0.5), (10, 30, 100), truth=0.5 / 5.5),
    Cell("mean", "near the top", beta_scores(5, 0.5), (10, 30, 100), truth=5 / 5.5),
    Cell("mean", "90 % are 0", mostly_zero(0.1), (10, 30, 100), truth=0.05),
    Cell("mean", "normal, no bounds", scores(lambda u: _normal(u)), (10, 30, 100), bounds=None, truth=0.0),
    Cell("mean", "normal, no bounds, 5 items, correlated", scores(lambda u: _normal(u), 5, 0.5), (10, 30, 100), bounds=None),
    Cell("mean", "exponential, no bounds", scores(lambda u: -np.log1p(-u)), (10, 30, 100), bounds=None, truth=1.0),
    Cell("mean", "log-normal, no bounds", scores(lambda u: np.exp(_normal(u))), (10, 30, 100), bounds=None, truth=np.exp(0.5)),
    *(
        Cell("AUROC", f"{a:g}, {p:.0%} of {m} items", labels_and_scores(a, p, m), (n,), "auroc", truth=a)
        for a in (0.8, 0.95)
        for p, m, n in ((0.05, 20, 10), (0.05, 14, 30), (0.05, 28, 30), (0.05, 5, 100), (0.3, 5, 30), (0.2, 1, 100))
    ),
    Cell(
        "macro AUROC", "0.8, 3 classes, 20 % of 4 items", labels_and_scores(0.8, 0.2, 4, 3), (30, 100), "macro_auroc", truth=0.8
    ),
    *(
        Cell("AUPRC", f"AUROC {a:g}, {p:.0%} of {m} items", labels_and_scores(a, p, m), (n,), "auprc")
        for a in (0.8, 0.95)
        for p, m, n in ((0.05, 20, 10), (0.05, 14, 30), (0.05, 5, 100), (0.2, 5, 30))
    ),
    Cell("Brier score", "10 % of 5 items", probabilities(5, 0.1), (10, 30, 100), "brier"),
    *(Cell("micro F1", f"{p:g}", found_entities(p), (10, 30, 100), "micro_f1") for p in (0.3, 0.7, 0.95, 0.99)),
    *(
        Cell(kind, f"classes of {_percent(shares)} %, right {right:g}, {m} items", classes(shares, right, m), n, aggregate)
        for kind, aggregate in (("macro F1", "macro_f1"), ("balanced accuracy", "balanced_accuracy"))
        for shares in ((0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.2, 0.1))
        for right in (0.7, 0.95)
        for m, n in ((1, (30,)), (8, (30,)), (4, (100,)))
    ),
    *(
        Cell(
            "difference",
            f"{a:g} and {b:g} right, {m} items",
            two_systems(a, b, m, t),
            (10, 30, 100),
            truth=a - b,
            what="difference",
        )
        for a, b, m, t in ((0.7, 0.7, 1, 0.0), (0.6, 0.6, 5, 0.3), (0.9, 0.8, 5, 0.1))
    ),
    Cell("difference", "skewed scores, 3 items", two_scores(0.2, 3), (10, 30, 100), bounds=None, truth=0.2, what="difference"),
    Cell("difference", "micro F1", two_entity_finders(0.7, 0.6), (10, 30, 100), "micro_f1", what="difference"),
    *(
        Cell("average", f"of {len(r)} tasks, {m} items each", several_tasks(r, m, 0.5), n, truth=sum(r) / len(r), what="average")
        for r, m, n in (((0.8, 0.5), 2, (30, 100)), ((0.95, 0.9, 0.7, 0.5, 0.3), 1, (30, 100)))
    ),
    Cell("ratio of sums", "relative score", ratios(1.5), (10, 30, 100), "ratio_of_sums", None),
]


def _normal(u: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return np.asarray(ndtri(u))


def truth(cell: Cell) -> float:
    """The value that the interval should cover."""
    if cell.truth is not None:
        return cell.truth
    statistics = cell.draw(np.random.default_rng(1), TRUTH_PATIENTS).statistics
    how, ones = AGGREGATES[cell.aggregate], np.ones((1, len(statistics)))
    if cell.what == "difference":
        one, other = np.hsplit(statistics, 2)
        return float((how(one, ones) - how(other, ones))[0])
    return float(how(statistics, ones)[0])
