"""Means over seeds: by hand, against the mean of each item's answers, and their intervals by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.stats.estimate import clustered_stderr, estimate
from ehrbench.stats.repeats import Repeat, estimate_repeats

IDS = [f"i{k}" for k in range(80)]
PATIENTS = [f"p{k // 2}" for k in range(80)]


def draw(rng: np.random.Generator, patients: int, per_patient: int, seeds: int, kind: str) -> list[Repeat]:
    """Answers of which each item has its own chance, alike within a patient, and each seed its own luck."""
    of_patient = rng.normal(0, 0.8, patients).repeat(per_patient)
    hardness = of_patient + rng.normal(0, 0.8, patients * per_patient)
    chance = 1 / (1 + np.exp(-hardness))
    ids = [f"i{k}" for k in range(len(chance))]
    groups = [f"p{k // per_patient}" for k in range(len(chance))]
    found = []
    for _ in range(seeds):
        if kind == "right":
            statistics = (rng.random(len(chance)) < chance)[:, None].astype(float)
        elif kind == "score":
            statistics = np.clip(chance + rng.normal(0, 0.25, len(chance)), 0, 1)[:, None]
        else:  # label, score
            labels = np.arange(len(chance)) % 2
            statistics = np.column_stack([labels, labels + hardness + rng.normal(0, 1, len(chance))])
        found.append(Repeat(statistics, ids, groups))
    return found


@pytest.mark.parametrize(
    ("patients", "per_patient", "seeds", "kind"),
    [(60, 2, 3, "right"), (40, 1, 5, "score"), (100, 1, 2, "right"), (80, 1, 3, "auroc")],
)
def test_the_interval_covers_items_and_seeds(patients: int, per_patient: int, seeds: int, kind: str) -> None:
    """93 to 97 % of the intervals hold the mean over all items that might have been asked and all luck there might have been."""
    rng, times = np.random.default_rng(17), 1500
    aggregate = "auroc" if kind == "auroc" else "mean"
    large = draw(np.random.default_rng(1), 400_000, per_patient, 1, kind)[0]
    truth = estimate(large.statistics, [None] * len(large.items), aggregate, bounds=(0, 1)).value
    assert truth is not None
    hits = 0
    for _ in range(times):
        made = estimate_repeats(draw(rng, patients, per_patient, seeds, kind), aggregate, bounds=(0, 1))
        assert made.low is not None and made.high is not None and not made.caution
        hits += made.low <= truth <= made.high
    assert 0.93 <= hits / times <= 0.97


def test_taking_the_seeds_for_further_items_would_not_cover() -> None:
    """What the interval is not: with each answer as an item of its own, it would be too narrow by far."""
    rng, hits = np.random.default_rng(3), 0
    for _ in range(300):
        repeats = draw(rng, 60, 2, 5, "score")
        stacked = np.concatenate([one.statistics for one in repeats])
        made = estimate(stacked, [None] * len(stacked), "mean", bounds=(0, 1))
        assert made.low is not None and made.high is not None
        hits += made.low <= 0.5 <= made.high
    assert hits / 300 < 0.8


def test_a_mean_is_that_of_each_items_mean() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((3, 80))
    made = estimate_repeats([Repeat(row, IDS, PATIENTS) for row in scores], "mean", bounds=(0, 1))
    single = estimate(scores.mean(axis=0), PATIENTS, "mean", bounds=(0, 1))
    assert (made.value, made.low, made.high) == pytest.approx((single.value, single.low, single.high))
    assert made.method == "mean over 3 seeds, score interval, jackknife over 40 groups"
    assert (made.n, made.n_groups) == (80, 40)
    assert clustered_stderr(scores.mean(axis=0), PATIENTS) > 0


def test_more_seeds_narrow_it_down_to_what_the_items_leave_open() -> None:
    widths = []
    for seeds in (2, 8, 64):
        made = estimate_repeats(draw(np.random.default_rng(5), 100, 1, seeds, "right"), "mean")
        assert made.low is not None and made.high is not None
        widths.append(made.high - made.low)
    assert widths[0] > widths[1] > widths[2] > 0.05


def test_the_same_answers_under_each_seed_have_the_interval_of_one_run() -> None:
    scores = np.random.default_rng(2).random(80)
    one = estimate(scores, PATIENTS, "mean", bounds=(0, 1))
    made = estimate_repeats([Repeat(scores, IDS, PATIENTS)] * 3, "mean", bounds=(0, 1))
    assert (made.value, made.low, made.high) == pytest.approx((one.value, one.low, one.high))


def test_the_order_of_items_and_seeds_changes_nothing() -> None:
    repeats = draw(np.random.default_rng(4), 40, 2, 3, "score")
    order = np.random.default_rng(5).permutation(80)
    turned = [
        Repeat(np.asarray(one.statistics)[order], [one.items[k] for k in order], [one.groups[k] for k in order])
        for one in reversed(repeats)
    ]
    first, second = (estimate_repeats(some, "mean", bounds=(0, 1)) for some in (repeats, turned))
    assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high), abs=1e-14)


def test_an_item_may_lack_an_answer_under_a_seed() -> None:
    whole, some = Repeat([1.0, 0.0, 1.0, 1.0], ["a", "b", "c", "d"], [None] * 4), Repeat([0.0, 1.0], ["a", "d"], [None] * 2)
    made = estimate_repeats([whole, some], "mean", bounds=(0, 1))
    assert (made.value, made.n, made.n_groups) == (pytest.approx((0.75 + 0.5) / 2), 4, 4)
    assert made.low is not None


@pytest.mark.parametrize("aggregate", ["micro_f1", "macro_f1", "macro_f1_all_classes"])
def test_classes_have_means_and_intervals(aggregate: str) -> None:
    rng = np.random.default_rng(6)
    repeats = []
    for _ in range(3):
        gold, found = np.arange(80) % 2, (np.arange(80) % 2) ^ (rng.random(80) < 0.3)
        of_class = [[(gold == k) & (found == k), (gold != k) & (found == k), (gold == k) & (found != k)] for k in (0, 1)]
        columns = of_class[1] if aggregate == "micro_f1" else [*of_class[0], *of_class[1]]
        repeats.append(Repeat(np.column_stack(columns).astype(float), IDS, PATIENTS))
    made = estimate_repeats(repeats, aggregate)
    values = [estimate(one.statistics, PATIENTS, aggregate).value for one in repeats]
    assert made.value == pytest.approx(np.mean([value for value in values if value is not None]))
    assert made.low is not None and made.high is not None and made.low < made.value < made.high  # type: ignore[operator]


def test_what_has_no_mean_or_no_interval_says_why() -> None:
    one_class = Repeat([[1, 0.3], [1, 0.4]], ["a", "b"], [None, None])
    both = Repeat([[1, 0.3], [0, 0.4]], ["a", "b"], [None, None])
    assert estimate_repeats([one_class, both], "auroc").reason == "not defined under one of the seeds"
    assert (
        estimate_repeats([both, both], "ece").reason
        == "a calibration error is too large by chance, by an amount that is not known"
    )
    assert estimate_repeats([Repeat([1.0, 2.0], ["a", "b"], ["p", "p"])] * 2, "mean").low is None
    assert estimate_repeats([Repeat([], [], []), Repeat([1.0], ["a"], [None])], "mean").value is None
    three = Repeat([[1, 0, 0, 0, 0, 0, 0, 0, 0]] * 2, ["a", "b"], [None, None])
    named = Repeat([[1, 0, 0, 0, 0, 0, 0, 1, 0]] * 2, ["a", "b"], [None, None])
    assert "more classes under one seed" in str(estimate_repeats([three, named], "macro_f1").reason)
    with pytest.raises(ValueError, match="at least two"):
        estimate_repeats([both], "auroc")
