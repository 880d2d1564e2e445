"""Scores and intervals: metrics run over answered items, their statistics aggregated, with intervals by patient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.metrics import METRICS
from ehrbench.metrics.metric import Metric, Scorable, Statistics, Whole
from ehrbench.results.schema import MAX_RANGE, MetricResult
from ehrbench.tasks.schema import TaskSpec

MIN_STRATUM_GROUPS = 11
"""Subsets with fewer patients are never published."""


class Scored(NamedTuple):
    """One metric over the answered items."""

    metric: Metric
    statistics: Sequence[Statistics | None]
    """In the order of the scorables; None where undefined."""
    scores: Sequence[float | None]
    """Each item's own score."""
    result: MetricResult
    whole: Whole | None = None
    """Set where no item has a score of its own."""


def resolve(name: str, arguments: Mapping[str, str] | None = None) -> Metric:
    """The metric of that name under the arguments (``{"comet.checkpoint": PATH}``).

    Raises:
        UsageError: no such metric, a plugin that defines something else, or an argument with an illegal value.
    """
    try:
        metric = METRICS.get(name)
    except EhrbenchError:
        raise
    except Exception as error:  # a plugin's module may fail in any way
        raise UsageError(
            f"metric '{name}': the plugin that defines it cannot be imported ({type(error).__name__}: {error})"
        ) from None
    if not isinstance(metric, Metric):
        raise UsageError(f"metric '{name}' is registered as a {type(metric).__name__}; expected an ehrbench.metrics.Metric")
    return metric if metric.configure is None else metric.configure(arguments or {})


def check_metrics(names: Sequence[str], arguments: Mapping[str, str] | None = None) -> None:
    """Make sure that metrics asked for by name can be computed, before a model is asked anything.

    Raises:
        UsageError: no such metric, or an argument with an illegal value.
        MissingError: what one of them needs is not on this machine.
    """
    for reason in [resolve(name, arguments).unavailable() for name in names]:
        if reason:
            raise MissingError(reason)


def missing(name: str, arguments: Mapping[str, str] | None = None) -> str | None:
    """Why a metric cannot be computed on this machine; None when it can."""
    return resolve(name, arguments).unavailable()


def score(
    metric: Metric,
    scorables: Sequence[Scorable],
    groups: Sequence[str | None],
    n_items: int,
    *,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
    earlier: bool = False,
) -> Scored:
    """Score with one metric.

    Args:
        metric: which is available on this machine.
        scorables: the answered items.
        groups: the resampling unit of each.
        n_items: all items, with and without an answer.
        processes: worker processes; None: as many as there are cores, when the work is worth them.
        progress: told how many items are done.
        earlier: make the interval as earlier versions did, to verify what they wrote.
    """
    from ehrbench.scoring.compute import compute_all

    statistics, notes, whole = compute_all(metric, scorables, processes=processes, progress=progress)
    if notes:
        metric = replace(metric, note="; ".join(filter(None, (metric.note, *notes))))
    if whole is not None:
        result = summarise_whole(metric, whole, range(len(scorables)), groups)
        return Scored(metric, statistics, [None] * len(scorables), result, whole)
    scores = [None if one is None else item_score(metric, one) for one in statistics]
    return Scored(metric, statistics, scores, summarise(metric, statistics, groups, n_items, earlier=earlier))


def summarise(
    metric: Metric,
    statistics: Sequence[Statistics | None],
    groups: Sequence[str | None],
    n_items: int,
    *,
    earlier: bool = False,
) -> MetricResult:
    """The number of a metric with its interval, from the items' statistics."""
    from ehrbench.stats.bootstrap import earlier_interval
    from ehrbench.stats.estimate import estimate

    defined = [(s, g) for s, g in zip(statistics, groups, strict=True) if s is not None]
    common = _facts(metric, len(defined), len(statistics) - len(defined))

    def absent(reason: str) -> MetricResult:
        return MetricResult(value=None, missing=reason, **{**common, "range": _legal_range(metric)})

    if not defined:
        return absent("no item has an answer that this metric is defined for")
    if n_outside := _outside(metric, [s for s, _ in defined]):
        worst, best = metric.range
        return absent(f"{n_outside} of {len(defined)} items score outside the metric's own range of {worst:g} to {best:g}")

    import numpy as np  # the list of metrics reads this module and needs no numbers

    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is said below
        bounds = metric.range if metric.bounded else None
        rows, of = [s for s, _ in defined], [g for _, g in defined]
        made = estimate(rows, of, metric.aggregate, bounds=bounds)
        if earlier and made.value is not None:
            low, high, method = earlier_interval(rows, of, metric.aggregate)
            made = made._replace(low=low, high=high, method=method, caution="")
    if made.value is None:
        return absent(made.reason or "not defined for these items")
    value = made.value
    if not metric.bounded:  # a corpus value may lie outside what single items span
        if not abs(value) <= MAX_RANGE:
            return absent(f"the value goes beyond {MAX_RANGE:g}")
        if not all(end is None or abs(end) <= MAX_RANGE for end in (made.low, made.high)):
            made = made._replace(low=None, high=None, method="", reason=f"it goes beyond {MAX_RANGE:g}", caution="")
        ends = [end for end in (value, made.low, made.high) if end is not None]
        low, high = _span(metric, [s for s, _ in defined])
        common["range"] = min(low, *map(math.floor, ends)), max(high, *map(math.ceil, ends))
    try:
        return MetricResult(
            value=value,
            low=made.low,
            high=made.high,
            interval=made.method or f"none: {made.reason}",
            caution=made.caution,
            strict_value=_strict(metric, value, len(statistics) - len(defined), len(defined), n_items),
            **common,
        )
    except ValidationError as error:
        return absent("the value cannot be stored: " + error.errors(include_input=False, include_url=False)[0]["msg"])


def _facts(metric: Metric, n: int, n_undefined: int) -> dict[str, Any]:
    return {
        "name": metric.name,
        "label": metric.label,
        "n": n,
        "n_undefined": n_undefined,
        "range": metric.range,
        "higher_is_better": metric.higher_is_better,
        "signature": metric.signature(),
        "note": metric.note,
    }


def summarise_whole(metric: Metric, whole: Whole, items: Sequence[int], groups: Sequence[str | None]) -> MetricResult:
    """The number of a metric whose items have no scores of their own, over some of the items.

    Args:
        metric: it.
        whole: its number of any items.
        items: places among the scorables.
        groups: the resampling unit of each of ``items``.
    """
    from ehrbench.stats.whole import estimate_whole

    defined = set(whole.items)
    chosen = [(i, group) for i, group in zip(items, groups, strict=True) if i in defined]
    facts = _facts(metric, len(chosen), len(items) - len(chosen))
    if not chosen:
        reason = "no item has an answer that this metric is defined for"
        return MetricResult(value=None, missing=reason, **{**facts, "range": _legal_range(metric)})
    places = [i for i, _ in chosen]
    bounds = metric.range if metric.bounded else None
    made = estimate_whole(
        lambda rows: whole.value([places[row] for row in rows]), [group for _, group in chosen], whole.left_out, bounds=bounds
    )
    ends = [end for end in (made.value, made.low, made.high) if end is not None]
    if made.value is None or any(abs(end) > MAX_RANGE for end in ends):
        return MetricResult(value=None, missing=made.reason or f"it goes beyond {MAX_RANGE:g}", **facts)
    if bounds is None:
        facts["range"] = min(metric.range[0], *map(math.floor, ends)), max(metric.range[1], *map(math.ceil, ends))
    interval = made.method or f"none: {made.reason}"
    return MetricResult(value=made.value, low=made.low, high=made.high, interval=interval, caution=made.caution, **facts)


def item_score(metric: Metric, statistics: Statistics) -> float | None:
    """An item's own score; None where it is too large for a number."""
    try:
        found = float(metric.item_score(statistics))
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _span(metric: Metric, statistics: Sequence[Statistics]) -> tuple[float, float]:
    """The usual range, widened to what was found and can be stored, for a metric without bounds."""
    found = [score for one in statistics if (score := item_score(metric, one)) is not None and abs(score) <= MAX_RANGE]
    return min([metric.range[0], *map(math.floor, found)]), max([metric.range[1], *map(math.ceil, found)])


def _outside(metric: Metric, statistics: Sequence[Statistics]) -> int:
    """How many items' scores lie outside the range of a metric that is their mean and says that it has bounds."""
    if metric.aggregate != "mean" or not metric.bounded:
        return 0
    worst, best = metric.range
    slack = 1e-9 * max(1.0, abs(best - worst))
    return sum(not worst - slack <= one[0] <= best + slack for one in statistics)


def _legal_range(metric: Metric) -> tuple[float, float]:
    """The metric's range, or 0 to 1 where what a plugin states is none."""
    worst, best = metric.range
    return (worst, best) if -MAX_RANGE <= worst <= best <= MAX_RANGE else (0.0, 1.0)


def _strict(metric: Metric, value: float, n_undefined: int, n: int, n_items: int) -> float | None:
    """The mean over all items, one without an answer counting as the worst value."""
    if metric.aggregate != "mean" or not metric.bounded:
        return None
    worst = metric.range[0] if metric.higher_is_better else metric.range[1]
    denominator = n_items - n_undefined
    return (value * n + worst * (denominator - n)) / denominator if denominator else None


def unscored(name: str, reason: str) -> MetricResult:
    """The entry of a metric that could not be computed here."""
    try:
        metric = resolve(name)
    except UsageError:  # its plugin cannot even be imported
        return MetricResult(name=name, label=name, value=None, n=0, missing=reason)
    return MetricResult(
        name=name,
        label=metric.label,
        value=None,
        n=0,
        missing=reason,
        range=_legal_range(metric),
        higher_is_better=metric.higher_is_better,
    )


def of_plugin(metric: Metric, error: Exception) -> EhrbenchError:
    """A metric's failure in one sentence, with the package of a metric that is not ours.

    Of an exception that nobody foresaw only the class is told: its text may quote an item.
    """
    said = str(error) if isinstance(error, EhrbenchError) else f"metric '{metric.name}' failed ({type(error).__name__})"
    function = getattr(metric.score, "func", metric.score)
    package = str(getattr(function, "__module__", None) or "unknown").partition(".")[0]
    if package != "ehrbench":
        return EhrbenchError(f"{said}; the metric is defined by the package '{package}'")
    return error if isinstance(error, EhrbenchError) else EhrbenchError(said)


class Strata(NamedTuple):
    """Scores of subsets, named ``dimension=value``."""

    public: dict[str, list[MetricResult]]
    private: dict[str, list[MetricResult]]
    """Of too few patients, or named by a value that may be a patient's text: never published."""


def strata(scored: Sequence[Scored], scorables: Sequence[Scorable], groups: Sequence[str | None], task: TaskSpec) -> Strata:
    """Scores of the subsets that share a value of an item's ``meta``."""
    found = Strata({}, {})
    for spec in task.strata:
        labels = [spec.label(s.meta[spec.by]) if spec.by in s.meta else None for s in scorables]
        for label in sorted({label for label in labels if label is not None}):
            chosen = [i for i, own in enumerate(labels) if own == label]
            name = f"{spec.by}={label}"
            numbers = [_of_some(one, chosen, groups) for one in scored]
            enough = [_n_groups(groups, [i for i in chosen if _has_score(one, i)]) >= MIN_STRATUM_GROUPS for one in scored]
            shown = [number for number, many in zip(numbers, enough, strict=True) if many] if task.may_publish(name) else []
            if shown:
                found.public[name] = shown
            if len(shown) < len(numbers):
                found.private[name] = numbers
    return found


def _of_some(one: Scored, chosen: Sequence[int], groups: Sequence[str | None]) -> MetricResult:
    """The number of some of the items."""
    their = [groups[i] for i in chosen]
    if one.whole is not None:
        return summarise_whole(one.metric, one.whole, chosen, their)
    return summarise(one.metric, [one.statistics[i] for i in chosen], their, len(chosen))


def _has_score(one: Scored, item: int) -> bool:
    return one.statistics[item] is not None if one.whole is None else item in one.whole.items


def _n_groups(groups: Sequence[str | None], chosen: Sequence[int]) -> int:
    """Patients behind some items; an item without a group stands for itself."""
    return len({i if groups[i] is None else groups[i] for i in chosen})


def score_rows(scored: Scored, scorables: Sequence[Scorable]) -> list[Mapping[str, Any]]:
    """The lines of ``scores.jsonl`` for one metric: item, metric, score and, where there are several, the statistics."""
    rows: list[Mapping[str, Any]] = []
    for scorable, statistics, own in zip(scorables, scored.statistics, scored.scores, strict=True):
        row: dict[str, Any] = {"item": scorable.item, "metric": scored.metric.name, "score": own}
        if statistics is not None and (len(statistics) > 1 or own is None):
            row["statistics"] = list(statistics)
        rows.append(row)
    return rows
