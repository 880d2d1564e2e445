"""A release that holds people's ratings: rankings, the systems' answers, and metrics' scores of them.

The records need not be there, but for metrics that are shown a part of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from ehrbench.correlation.ratings import Rankings
from ehrbench.correlation.scores import Scores
from ehrbench.errors import MissingError, UsageError
from ehrbench.metrics.metric import Metric, Scorable
from ehrbench.readers import READERS
from ehrbench.registry import Registry
from ehrbench.scoring.score import resolve

Gold = Literal["first", "max"]


class Release(NamedTuple):
    """What the tables of a release hold."""

    rankings: Rankings
    scorables: Sequence[tuple[str, Scorable]]
    """(system, its answer to an instruction with the gold answers), those of rated instructions that have a gold answer."""
    notes: tuple[str, ...]
    root: Path
    reader: str
    """Opens the release's records, where a metric is shown a part of them."""


class RatedRelease(Protocol):
    """Reads the ratings of a release; a suite registers one under its reader's name."""

    def __call__(self, root: Path, gold: Gold = "first") -> Release:
        """Read the ratings, the systems' answers and the gold answers.

        Args:
            root: the release's folder, or one above it.
            gold: ``first``: the first annotator's answer, as the paper's scripts have it; ``max``: the best match counts.

        Raises:
            MissingError: a table is not there.
            UsageError: a table is malformed.
        """


RATED_RELEASES: Registry[RatedRelease] = Registry("ratings")


def score_release(
    release: Release,
    names: Sequence[str] | None,
    default: Sequence[str],
    arguments: Mapping[str, str] | None = None,
    processes: int | None = None,
) -> tuple[list[Scores], tuple[str, ...]]:
    """Score the systems' answers.

    Args:
        release: as read.
        names: metrics to compute; None: those of ``default`` that this machine can, the others named in the notes.
        default: the task's metrics.
        arguments: of metrics (``{"comet.checkpoint": PATH}``).
        processes: worker processes; None: as the work is worth.

    Raises:
        UsageError: an unknown metric, or one that has no score for a single answer.
        MissingError: a metric that was asked for cannot be computed here.
    """
    found, notes = [], []
    for name in dict.fromkeys(names if names is not None else default):
        metric = resolve(name, arguments)
        reason = _why_not(metric)
        if reason and names is not None:
            raise MissingError(reason)
        if reason:
            notes.append(reason)
            continue
        try:
            one, odd = _score(metric, release, processes)
        except MissingError as error:
            # The tables are enough for most metrics; one that is shown parts of the records is left out where they are not.
            if names is not None:
                raise
            notes.append(f"{metric.label}: {error}")
            continue
        found.append(one)
        notes += odd
    return found, tuple(notes)


def _why_not(metric: Metric) -> str | None:
    if metric.kind not in ("item_mean", "corpus", "set_f1"):
        raise UsageError(f"metric '{metric.name}' has no score for a single answer, so it cannot be correlated with ranks")
    absent = metric.needs - {"reference", "question", "source"}
    if absent:
        return (
            f"metric '{metric.name}' needs {' and '.join(sorted(absent))}, which the release's tables do not hold; "
            "score it elsewhere and give its scores as a table with --scores"
        )
    return metric.unavailable()


def _score(metric: Metric, release: Release, processes: int | None) -> tuple[Scores, tuple[str, ...]]:
    from ehrbench.scoring.compute import compute_all
    from ehrbench.scoring.sources import add_sources

    scorables = [scorable for _, scorable in release.scorables]
    if metric.source is not None:
        dataset = READERS.get(release.reader)(release.root, {}) if metric.source.mode == "bm25" else None
        records = {item.id: item.record_id for item in dataset.items} if dataset else {}
        scorables = add_sources(metric, scorables, records, dataset.load_record if dataset else None)
    statistics, notes, whole = compute_all(metric, scorables, processes=processes)
    if whole is not None:
        raise UsageError(f"metric '{metric.name}' has one number for all items and none for each, so it cannot be correlated")
    cells = {
        (scorable.item, system): math.nan if one is None else metric.item_score(one)
        for (system, scorable), one in zip(release.scorables, statistics, strict=True)
    }
    scores = Scores(metric.name, metric.label, metric.higher_is_better, cells, metric.signature(), release.rankings.source)
    return scores, tuple(f"{metric.label}: {note}" for note in notes)
