"""What one asks of human-stats, correlate and agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ehrbench.correlation.ratings import Triples
from ehrbench.stats.estimate import cluster_codes
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
    """What is resampled; ``both``: items and systems."""
    resamples: int = 10_000
    level: Level = "item"
    seed: int = 0


class Clusters:
    """The units that a bootstrap draws: items, or the patients they belong to."""

    def __init__(self, groups: Sequence[str | None], unit: Unit) -> None:
        """Number the clusters in the order of the items, which are in the order of their names."""
        self.groups: list[str | None] = list(groups) if unit == "patients" else [None] * len(groups)
        self.codes: npt.NDArray[np.intp]
        self.codes, self.count = cluster_codes(self.groups)
        self.unit = unit

    def describe(self, resamples: int) -> str:
        """The interval's estimator and unit, for people."""
        names = {"items": "items", "patients": "patients", "both": "items and systems"}[self.unit]
        count = f"{self.count} " if self.unit != "both" else ""
        return f"percentile bootstrap, {resamples} resamples of {count}{names}"
