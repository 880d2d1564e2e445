"""What one asks of human-stats, correlate and agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.ratings import Triples
from ehrbench.stats.clusters import cluster_codes
from ehrbench.stats.rank_correlation import NanPolicy, Variant

Unit = Literal["items", "patients", "both"]
Level = Literal["item", "model"]
TAUS: tuple[Variant, ...] = ("b", "c", "a", "wmt")
NAN_POLICIES: tuple[NanPolicy, ...] = ("exclude", "mixed", "zero")
UNITS: tuple[Unit, ...] = ("items", "patients", "both")


@dataclass(frozen=True)
class Options:
    """The choices, each with the default of the MedAlign specification."""

    tau: Variant = "b"
    nan_policy: NanPolicy = "exclude"
    triples: Triples | None = None
    """None: ``used`` where the ratings say which judgement counts, else ``each``."""
    unit: Unit = "items"
    """Over what intervals and tests generalise; ``both``: items and systems."""
    resamples: int = 10_000
    """Random patterns of the tests, and draws of ``both``."""
    level: Level = "item"
    seed: int = 0


class Clusters:
    """What stands or falls together in intervals and tests: items, or the patients they belong to."""

    def __init__(self, groups: Sequence[str | None], unit: Unit) -> None:
        """Number the clusters in the order of the items, which are in the order of their names."""
        self.groups: list[str | None] = list(groups) if unit == "patients" else [None] * len(groups)
        self.codes: npt.NDArray[np.intp]
        self.codes, self.count = cluster_codes(self.groups)
        self.unit = unit

    def describe(self, resamples: int = 0) -> str:
        """The intervals' estimator and unit, for people.

        Args:
            resamples: draws of items and systems at once; without them the intervals are not drawn.
        """
        if self.unit == "both" and resamples:
            return f"percentile bootstrap, {resamples} resamples of items and systems"
        return f"score interval, jackknife over {self.count} {'patients' if self.unit == 'patients' else 'items'}"

    def population(self, systems: int) -> str:
        """Whom an interval speaks of."""
        others = {"items": "other items", "patients": "other patients", "both": "other items and other systems"}[self.unit]
        return f"{others} like these" + ("" if self.unit == "both" else f" and these {systems} systems")
