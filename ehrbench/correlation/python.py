"""Correlation, comparison and people's statistics as Python functions: frames or files in, typed reports out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ehrbench.correlation.compare import CompareReport
from ehrbench.correlation.compare import compare as compare_pairs
from ehrbench.correlation.correlate import CorrelationReport
from ehrbench.correlation.correlate import correlate as correlate_rankings
from ehrbench.correlation.human import HumanReport
from ehrbench.correlation.human import human_stats as stats_of
from ehrbench.correlation.options import NAN_POLICIES, TAUS, UNITS, Options
from ehrbench.correlation.raters import AgreementReport
from ehrbench.correlation.raters import rater_agreement as agreement_of
from ehrbench.correlation.ratings import TRIPLES, Rankings, read_ratings
from ehrbench.correlation.run_pairs import match_runs
from ehrbench.correlation.scores import read_scores
from ehrbench.correlation.sheet import table_of
from ehrbench.errors import UsageError
from ehrbench.results.collection import Results

LEVELS = ("item", "model")


def correlate(ratings: Any, scores: Any, *, lower_is_better: Collection[str] = (), **options: Any) -> CorrelationReport:
    """How far metrics agree with people's rankings.

    Args:
        ratings: a frame (polars, pandas, mapping of columns, list of rows) or a file with ``item, rater, system, rank``
            (1 = best, ties share) and, optionally, ``correct, cluster, used, length``.
        scores: a frame or a file with ``item, system, metric, score``.
        lower_is_better: metrics of which a small score is good, beyond those that ehrbench knows as such.
        options: ``tau`` (b, c, a, wmt), ``nan_policy`` (exclude, mixed, zero), ``triples`` (used, mean-rank, each), ``unit``
            (items, patients, both), ``level`` (item, model), ``resamples``, ``seed``.

    Raises:
        UsageError: a missing column, an unknown option, or scores that fit no rating.
        MissingError: a file is not there.
    """
    found, notes = read_scores(_source(scores, "scores"), lower_is_better)
    asked = _options(options, "tau", "nan_policy", "triples", "unit", "level", "resamples", "seed")
    report = correlate_rankings(_rankings(ratings), found, asked)
    return report if not notes else _noted(report, notes)


def human_stats(ratings: Any, **options: Any) -> HumanReport:
    """What people said of the systems: share correct, win rates, mean ranks, head to head (MedAlign, Table 3 and Figure 2).

    Args:
        ratings: as for ``correlate``.
        options: ``tau``, ``triples`` and ``unit`` (items, patients), as for ``correlate``.

    Raises:
        UsageError: as for ``correlate``.
    """
    return stats_of(_rankings(ratings), _options(options, "tau", "triples", "unit"))


def agreement(ratings: Any, **options: Any) -> AgreementReport:
    """How far raters agree with one another: Krippendorff's alpha, Kendall's W and tau, with intervals.

    Args:
        ratings: as for ``correlate``.
        options: ``tau`` and ``unit`` (items, patients), as for ``correlate``.

    Raises:
        UsageError: as for ``correlate``.
    """
    return agreement_of(_rankings(ratings), _options(options, "tau", "unit"))


def compare(
    a: Any, b: Any, metrics: Sequence[str] | None = None, *, data_dir: str | None = None, resamples: int = 10_000, seed: int = 0
) -> CompareReport:
    """Is one better? Paired tests of two models on the items of every task that both answered.

    Args:
        a: a run's folder, a folder above runs, or ``Results`` of one run.
        b: the other side.
        metrics: which; None: each task's primary one.
        data_dir: where the data are, for the patients; None: where they were when it ran.
        resamples: random patterns of signs.
        seed: of the patterns.

    Raises:
        UsageError: the sides share no task, or are not comparable.
        MissingError: a run has no item scores.
    """
    return compare_pairs(match_runs(_folder(a), _folder(b)), metrics, data_dir=data_dir, resamples=resamples, seed=seed)


def _folder(side: Any) -> Path:
    if isinstance(side, Results):
        folders = side.folders()
        if len(folders) != 1:
            raise UsageError(
                f"a side of the comparison has {len(folders)} runs; give the folder above them, or Results of one run"
            )
        return folders[0]
    if isinstance(side, (str, Path)):
        return Path(side)
    raise UsageError(f"a side of the comparison is a {type(side).__name__}; expected a folder of runs, or Results")


def _source(table: Any, what: str) -> Any:
    return Path(table) if isinstance(table, (str, Path)) else table_of(table, what)


def _rankings(ratings: Any) -> Rankings:
    return ratings if isinstance(ratings, Rankings) else read_ratings(_source(ratings, "ratings"))


def _options(given: dict[str, Any], *known: str) -> Options:
    legal = {"tau": TAUS, "nan_policy": NAN_POLICIES, "triples": (None, *TRIPLES), "unit": UNITS, "level": LEVELS}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"unknown option '{name}' (known: {', '.join(known)})")
        if name in legal and value not in legal[name]:
            raise UsageError(f"{name} is '{value}': expected {', '.join(str(word) for word in legal[name])}")
    return Options(**given)


def _noted(report: CorrelationReport, notes: Sequence[str]) -> CorrelationReport:
    from dataclasses import replace

    return replace(report, notes=(*notes, *report.notes))
