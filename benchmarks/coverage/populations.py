"""Populations of patients with known values: each draws a data set of statistics and the patient of every item."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import beta

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Rng = np.random.Generator


class Data(NamedTuple):
    """One data set."""

    statistics: FloatArray
    """[n, k]"""
    patients: IntArray
    """[n]"""


Draw = Callable[[Rng, int], Data]
"""A data set of so many patients."""


def sizes(rng: Rng, patients: int, mean: int) -> IntArray:
    """Items of each patient: 1 for a mean of 1, else 1 to 2 * mean - 1, some patients with many and many with few."""
    if mean == 1:
        return np.ones(patients, dtype=np.intp)
    return 1 + rng.binomial(2 * (mean - 1), rng.beta(2, 2, size=patients)).astype(np.intp)


def of_patients(rng: Rng, patients: int, mean: int) -> IntArray:
    """The patient of each item."""
    return np.repeat(np.arange(patients), sizes(rng, patients, mean))


def shares(rng: Rng, share: float, correlation: float, patients: int) -> FloatArray:
    """Each patient's own share of right items; beta-distributed with this correlation within patients."""
    if correlation == 0:
        return np.full(patients, share)
    size = (1 - correlation) / correlation
    return rng.beta(share * size, (1 - share) * size, size=patients)


def proportion(share: float, items: int = 1, correlation: float = 0.0) -> Draw:
    """Right and wrong answers."""

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, items)
        right = rng.random(len(of)) < shares(rng, share, correlation, patients)[of]
        return Data(right[:, None].astype(float), of)

    return draw


def scores(inverse: Callable[[FloatArray], FloatArray], items: int = 1, correlation: float = 0.0) -> Draw:
    """Scores of any distribution, by its quantile function, with this correlation (of normal scores) within patients."""

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, items)
        own, noise = rng.normal(size=patients), rng.normal(size=len(of))
        return Data(inverse(ndtr(np.sqrt(correlation) * own[of] + np.sqrt(1 - correlation) * noise))[:, None], of)

    return draw


def beta_scores(a: float, b: float, items: int = 1, correlation: float = 0.0) -> Draw:
    """Scores between 0 and 1; their mean is a / (a + b)."""
    table = beta.ppf(np.linspace(0, 1, 20_001), a, b)
    return scores(lambda u: np.interp(u, np.linspace(0, 1, 20_001), table), items, correlation)


def mostly_zero(share: float, items: int = 1, correlation: float = 0.0) -> Draw:
    """Scores of which most are 0 and the others beta(2, 2): their mean is share / 2."""
    inner = np.linspace(0, 1, 2_001)
    table = beta.ppf(inner, 2, 2)
    return scores(lambda u: np.where(u < 1 - share, 0.0, np.interp((u - 1 + share) / share, inner, table)), items, correlation)


def labels_and_scores(auroc: float, positives: float, items: int, classes: int = 1) -> Draw:
    """Label and score, binormal; labels and scores resemble each other within patients. With classes, the class first."""

    def draw(rng: Rng, patients: int) -> Data:
        found = []
        for number in range(classes):
            of = of_patients(rng, patients, items)
            label = rng.random(len(of)) < shares(rng, positives, 0.1 if items > 1 else 0.0, patients)[of]
            noise = np.sqrt(0.2) * rng.normal(size=patients)[of] + np.sqrt(0.8) * rng.normal(size=len(of))
            score = np.sqrt(2) * ndtri(auroc) * label + noise
            found.append((np.full(len(of), number), label, score, of))
        rows = [np.concatenate(column) for column in zip(*found, strict=True)]
        return Data(np.column_stack(rows[1 if classes == 1 else 0 : 3]), rows[3])

    return draw


def probabilities(items: int, positives: float) -> Draw:
    """Label and a probability that is too sure of itself."""

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, items)
        logit = np.log(positives / (1 - positives)) + 0.5 * rng.normal(size=patients)[of] + rng.normal(size=len(of))
        label = rng.random(len(of)) < 1 / (1 + np.exp(-logit))
        return Data(np.column_stack([label, 1 / (1 + np.exp(-2 * logit - 0.5))]), of)

    return draw


def found_entities(right: float, entities: float = 3.0) -> Draw:
    """Entities found, invented and missed (tp, fp, fn), one item a patient."""

    def draw(rng: Rng, patients: int) -> Data:
        gold = 1 + rng.poisson(entities, size=patients)
        tp = rng.binomial(gold, shares(rng, right, 0.2, patients))
        fp = rng.poisson((1 - right) * entities, size=patients)
        return Data(np.column_stack([tp, fp, gold - tp]).astype(float), np.arange(patients))

    return draw


def classes(shares_of: tuple[float, ...], right: float, items: int) -> Draw:
    """tp, fp, fn of each class in turn, of items of one class each."""
    k = len(shares_of)

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, items)
        i, gold = np.arange(len(of)), rng.choice(k, size=len(of), p=shares_of)
        hit = rng.random(len(of)) < shares(rng, right, 0.2, patients)[of]
        said = np.where(hit, gold, (gold + rng.integers(1, k, size=len(of))) % k)
        counts = np.zeros((len(of), 3 * k))
        counts[i[hit], 3 * gold[hit]] = 1
        counts[i[~hit], 3 * gold[~hit] + 2] = 1
        counts[i[~hit], 3 * said[~hit] + 1] = 1
        return Data(counts, of)

    return draw


def two_systems(first: float, second: float, items: int, together: float) -> Draw:
    """Right and wrong answers of two systems to the same items; a patient's items favour one of them by about ``together``."""

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, items)
        tilt = together * rng.uniform(-1, 1, size=patients)[of]
        right = [rng.random(len(of)) < share + sign * tilt for share, sign in ((first, 1), (second, -1))]
        return Data(np.column_stack(right).astype(float), of)

    return draw


def two_scores(shift: float, items: int) -> Draw:
    """Two systems' skewed scores without bounds, whose means differ by ``shift``."""

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, items)
        level = rng.exponential(size=patients)[of]
        return Data(np.column_stack([level + shift + rng.normal(size=len(of)), level * rng.exponential(size=len(of))]), of)

    return draw


def two_entity_finders(first: float, second: float) -> Draw:
    """tp, fp, fn of two systems on the same gold entities."""

    def draw(rng: Rng, patients: int) -> Data:
        gold = 1 + rng.poisson(3.0, size=patients)
        counts = []
        for right in (first, second):
            tp = rng.binomial(gold, shares(rng, right, 0.2, patients))
            counts += [tp, rng.poisson((1 - right) * 3.0, size=patients), gold - tp]
        return Data(np.column_stack(counts).astype(float), np.arange(patients))

    return draw


def several_tasks(right: tuple[float, ...], items: int, shared: float) -> Draw:
    """The task's number and a right or wrong answer; a patient who is hard in one task is hard in all, by about ``shared``."""

    def draw(rng: Rng, patients: int) -> Data:
        tilt = shared * rng.uniform(-1, 1, size=patients)
        rows, of_all = [], []
        for number, share in enumerate(right):
            of = of_patients(rng, patients, items)
            answer = rng.random(len(of)) < share + tilt[of] * min(share, 1 - share)
            rows.append(np.column_stack([np.full(len(of), number), answer]))
            of_all.append(of)
        return Data(np.concatenate(rows).astype(float), np.concatenate(of_all))

    return draw


def ratios(noise: float) -> Draw:
    """Two scores of 1 to 10 for each item, whose sums are divided."""

    def draw(rng: Rng, patients: int) -> Data:
        of = of_patients(rng, patients, 3)
        level = rng.normal(size=patients)[of]
        two = [np.clip(np.round(at + 1.5 * level + noise * rng.normal(size=len(of))), 1, 10) for at in (5, 7)]
        return Data(np.column_stack(two), of)

    return draw
