"""The outcome of ``compare`` as ``paired.json``, by which the leaderboard ranks the two runs."""

from __future__ import annotations

from collections.abc import Sequence

from ehrbench.correlation.compare import CompareReport
from ehrbench.correlation.run_pairs import RunPair
from ehrbench.results.supplements import Comparison, Interval


def paired_file(report: CompareReport, pairs: Sequence[RunPair]) -> list[Comparison]:
    """One paired test for each task and metric of the report that has a difference.

    Args:
        report: all tests.
        pairs: the runs they are about, whose configurations name them.
    """
    runs = {pair.task: (pair.a.result.config_hash, pair.b.result.config_hash) for pair in pairs}
    return [
        Comparison(
            task=row.task,
            metric=row.metric,
            a=runs[row.task][0],
            b=runs[row.task][1],
            difference=Interval(value=row.difference, low=row.low, high=row.high, n=row.n),
            interval=row.test,
            p_value=row.p,
            p_adjusted=row.p_holm,
            test=f"{row.test}; Holm over {len(report.rows)} comparisons",
            caution=row.caution,
        )
        for row in report.rows
        if row.difference is not None
    ]
