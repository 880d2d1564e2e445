from __future__ import annotations

import numpy as np
import pytest

from ehrbench.metrics import METRICS, Scorable
from ehrbench.stats.aggregate import AGGREGATES
from ehrbench.stats.estimate import estimate


def item(gold: str, yes: float | None, label_class: int = 0) -> Scorable:
    chances = None if yes is None else {"yes": yes, "no": 1 - yes}
    return Scorable("i", "", (gold,), choices=("yes", "no"), probabilities=chances, meta={"label_class": label_class})


def value(name: str, items: list[Scorable]) -> float | None:
    metric = METRICS.get(name)
    statistics = [s for s in metric.score(items) if s is not None]
    return estimate(statistics, [None] * len(statistics), metric.aggregate).value


def test_the_worked_example() -> None:
    """P(yes) .9 .6 .4 for positives and .7 .3 .2 for negatives: 7 of 9 pairs in order."""
    items = [*(item("yes", p) for p in (0.9, 0.6, 0.4)), *(item("no", p) for p in (0.7, 0.3, 0.2))]
    assert value("auroc", items) == pytest.approx(7 / 9)
    assert value("brier", items) == pytest.approx((0.01 + 0.16 + 0.36 + 0.49 + 0.09 + 0.04) / 6)


def test_without_a_probability_an_item_is_undefined_and_not_imputed() -> None:
    assert METRICS.get("auroc").score([item("yes", None)]) == [None]


def test_macro_auroc_is_the_mean_over_classes_that_have_both_labels() -> None:
    perfect = [item("yes", 0.9, 1), item("no", 0.1, 1)]
    reversed_ = [item("yes", 0.1, 2), item("no", 0.9, 2)]
    one_sided = [item("no", 0.3, 3), item("no", 0.9, 3)]
    assert value("macro_auroc", [*reversed_, *one_sided, *perfect]) == pytest.approx(0.5)
    assert value("macro_auroc", perfect + one_sided) == 1.0


def test_macro_auroc_equals_one_auroc_a_class_under_any_weights() -> None:
    draw = np.random.default_rng(0)
    classes, labels, scores = draw.integers(0, 4, 80), draw.integers(0, 2, 80), draw.integers(0, 9, 80) / 9
    weights = draw.integers(0, 3, (5, 80))
    together = AGGREGATES["macro_auroc"](np.column_stack([classes, labels, scores]), weights)
    apart = [AGGREGATES["auroc"](np.column_stack([labels, scores])[classes == c], weights[:, classes == c]) for c in range(4)]
    np.testing.assert_allclose(together, np.nanmean(apart, axis=0))
