"""How far a study is: progress and agreement, nothing that tells one system from another."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

from ehrbench.correlation.options import Options
from ehrbench.correlation.raters import rater_agreement
from ehrbench.workbench.rate.answers import Material
from ehrbench.workbench.rate.export import collect, rankings_of
from ehrbench.workbench.rate.store import Work
from ehrbench.workbench.rate.study import Study


class RaterStatus(NamedTuple):
    """One rater's progress."""

    rater: str
    assigned: int
    done: int
    begun: int
    """Not done, but something is said."""
    without: int
    """Done with “cannot be judged” or “the record does not fit”."""
    minutes: float | None
    """Median time that a finished item was on the screen."""


class StudyStatus(NamedTuple):
    """All raters' progress, and how far they agree."""

    raters: list[RaterStatus]
    n_repeated: int
    """Items that several raters finished."""
    agreement: dict[str, dict[str, Any]]
    """Statistic to value and interval; empty without such items."""
    notes: tuple[str, ...]


def study_status(study: Study, material: Material, work: Mapping[tuple[str, str], Work]) -> StudyStatus:
    """Count, and compare raters with one another."""
    raters = []
    for rater in study.raters:
        mine = [work.get((rater.name, item), Work({})) for item in study.items_of(rater.name)]
        done = [w for w in mine if w.done]
        minutes = median(w.seconds for w in done) / 60 if done else None
        begun = sum(bool(w.state) and not w.done for w in mine)
        without = sum("whole" in w.state for w in done)
        raters.append(RaterStatus(rater.name, len(mine), len(done), begun, without, minutes))
    collected = collect(study, material, work)
    agreement: dict[str, dict[str, Any]] = {}
    repeated = 0
    if collected.judgements:
        rankings = rankings_of(study, collected.judgements)
        repeated = rankings.n_repeated
        if repeated:
            report = rater_agreement(rankings, Options())
            shares = {
                "alpha_ranks": report.alpha,
                "alpha_verdicts": report.alpha_verdicts,
                "kendall_w": report.w,
                "tau_b": report.tau,
            }
            agreement = {
                name: {"value": one.value, "low": one.low, "high": one.high, "n": one.n}
                for name, one in shares.items()
                if one is not None
            }
    return StudyStatus(raters, repeated, agreement, collected.notes)
