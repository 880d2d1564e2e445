"""Is one run better than another? Paired tests on the items that both answered, by patient, adjusted over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ehrbench.correlation.human import number
from ehrbench.correlation.run_pairs import RunPair, common
from ehrbench.errors import EhrbenchError, UsageError, unknown_name
from ehrbench.stats.paired import holm, paired_test


@dataclass(frozen=True)
class Comparison:
    """One metric of one task: run A minus run B on their common items."""

    task: str
    metric: str
    label: str
    higher_is_better: bool
    value_a: float | None
    """None: not defined for the common items, as an AUROC without both classes."""
    value_b: float | None
    difference: float | None
    """In the metric's own direction: positive says that A has the larger value."""
    low: float | None
    high: float | None
    n: int
    """Common items."""
    n_only_a: int
    """Items that A has a score for and B lacks; they count nowhere."""
    n_only_b: int
    n_groups: int
    unit: str
    """What was resampled and swapped: patients or items."""
    p: float | None
    """Two-sided, of the test that the interval inverts: above 5 % just where the interval holds 0."""
    test: str
    """What made interval and p, or why there is no interval."""
    only_a_right: int | None
    """For right and wrong answers: items that A alone has right; None for other scores."""
    only_b_right: int | None
    p_holm: float | None = None
    """Adjusted over everything that is compared."""
    caution: str = ""
    """Why the interval is only approximate."""


@dataclass(frozen=True)
class CompareReport:
    """All tests of one comparison."""

    a: str
    b: str
    rows: list[Comparison]
    warnings: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"a": self.a, "b": self.b, "comparisons": [asdict(row) for row in self.rows], "warnings": list(self.warnings)}


def compare(
    pairs: Sequence[RunPair],
    metrics: Sequence[str] | None = None,
    *,
    data_dir: str | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> CompareReport:
    """Test every task that two sides share.

    Args:
        pairs: matched runs.
        metrics: which; None: those of each pair, else its task's primary one.
        data_dir: where the data are, for the patients; None: where they were when it ran.
        resamples: random patterns of signs.
        seed: of the patterns.

    Raises:
        UsageError: a metric that a run lacks, that was computed in two ways, or no common item.
    """
    rows: list[Comparison] = []
    warnings = [warning for pair in pairs for warning in pair.warnings]
    for pair in pairs:
        patients, reason = _patients(pair, data_dir)
        if reason:
            warnings.append(reason)
        for name in metrics or pair.metrics or [pair.a.result.primary]:
            rows.append(_one(pair, name, patients, resamples, seed))
    adjusted = holm([np.nan if row.p is None else row.p for row in rows])
    rows = [replace(row, p_holm=None if np.isnan(p) else float(p)) for row, p in zip(rows, adjusted, strict=True)]
    return CompareReport(pairs[0].a.name, pairs[0].b.name, rows, tuple(warnings))


def _patients(pair: RunPair, data_dir: str | None) -> tuple[Mapping[str, str | None] | None, str | None]:
    """The patient of each item; without the data, a sentence that says so."""
    from ehrbench.scoring.loaded import load_run

    try:
        return {item.id: item.group for item in load_run(pair.a.folder, data_dir).items}, None
    except EhrbenchError as error:
        return None, f"{pair.task}: items are taken as independent, because their patients are not known here ({error})"


def _one(pair: RunPair, name: str, patients: Mapping[str, str | None] | None, resamples: int, seed: int) -> Comparison:
    a, b = pair.a, pair.b
    described = [run.result.metric(name) for run in (a, b)]
    for run in (a, b):
        if name not in run.statistics:
            raise UsageError(
                f"{run.folder.path} has no scores of '{name}'; `ehrbench score {run.folder.path} --metrics {name}` adds them "
                f"({unknown_name('metric of that run', name, run.statistics)})"
            )
    if described[0] and described[1] and described[0].signature != described[1].signature:
        raise UsageError(
            f"task '{pair.task}': '{name}' was computed in two ways ({described[0].signature}; {described[1].signature}); "
            "score both runs with `ehrbench score` in one environment"
        )
    items, x, y = common(a, b, name)
    if not items:
        raise UsageError(f"task '{pair.task}': no item has a score of '{name}' in both runs, so nothing can be compared")
    groups = [None if patients is None else patients.get(item) for item in items]
    by_patient = any(group is not None for group in groups)
    aggregate = _aggregate(name)
    unit = "patients" if by_patient else "items"
    test = paired_test(x, y, groups, aggregate, bounds=_bounds(name), resamples=resamples, seed=seed, unit=unit)
    binary = aggregate == "mean" and bool(np.isin(x, (0.0, 1.0)).all() and np.isin(y, (0.0, 1.0)).all())
    value = _values(aggregate, x, y)
    first = described[0]
    return Comparison(
        task=pair.task,
        metric=name,
        label=first.label if first else name,
        higher_is_better=first.higher_is_better if first else True,
        value_a=number(value[0]),
        value_b=number(value[1]),
        difference=test.difference,
        low=test.low,
        high=test.high,
        n=len(items),
        n_only_a=len(a.statistics[name]) - len(items),
        n_only_b=len(b.statistics[name]) - len(items),
        n_groups=test.n_groups,
        unit=unit,
        p=test.p,
        test=test.method if test.low is not None else f"none: {test.reason}",
        only_a_right=int((x[:, 0] > y[:, 0]).sum()) if binary else None,
        only_b_right=int((y[:, 0] > x[:, 0]).sum()) if binary else None,
        caution=test.caution,
    )


def _aggregate(name: str) -> str:
    from ehrbench.metrics import METRICS

    return METRICS.get(name).aggregate if name in METRICS else "mean"


def _bounds(name: str) -> tuple[float, float] | None:
    from ehrbench.metrics import METRICS

    return METRICS.get(name).range if name in METRICS and METRICS.get(name).bounded else None


def _values(aggregate: str, x: Any, y: Any) -> tuple[float, float]:
    from ehrbench.stats.aggregate import AGGREGATES

    how, ones = AGGREGATES[aggregate], np.ones((1, len(x)))
    return float(how(x, ones)[0]), float(how(y, ones)[0])
