"""The mean over repeats of a run under several seeds, with an interval over items and seeds.

Each item is answered anew under each seed, with luck of its own: seeds are nested within items, and no luck is shared by the
items of a seed (``ehrbench.runs.keys.sampling_seed`` and ``ehrbench.runs.fewshot`` see to that). What one patient adds to the
mean over seeds then varies from patient to patient by both, how hard its items are and how their answers fell out, so leaving
out one patient at a time, from all seeds at once, measures the two together (for a mean of one item per patient this is Miller
2024, "Adding Error Bars to Evals", on resampled answers). More seeds narrow the interval down
to what the items leave open, no further.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ehrbench.stats.aggregate import AGGREGATES, Additive, Aggregate, check_statistics
from ehrbench.stats.clusters import FloatArray, by_content, cluster_codes
from ehrbench.stats.estimate import Estimate, of_left_out
from ehrbench.stats.interval import Bounds
from ehrbench.stats.jackknife import LeftOut, leave_one_out


class Repeat(NamedTuple):
    """The items' statistics under one seed."""

    statistics: npt.ArrayLike
    """[n, k], finite; without the items for which the metric is undefined."""
    items: Sequence[str]
    """Ids of these items."""
    groups: Sequence[str | None]
    """The cluster of each item, usually the patient; None for an item that stands alone."""


def estimate_repeats(
    repeats: Sequence[Repeat],
    aggregate: str | Aggregate,
    *,
    bounds: Bounds | None = None,
    level: float = 0.95,
    unit: str | None = None,
) -> Estimate:
    """The unweighted mean over seeds of a metric's value, with an interval that leaves out one cluster from all seeds at once.

    Decided cases, beside those of ``estimate``: a value that is undefined under one seed has no mean; a median, and a mean over
    classes of which the answers name more under one seed than under another, have a mean without an interval.

    Args:
        repeats: one for each seed, at least two.
        aggregate: a name in ``AGGREGATES`` or an aggregate.
        bounds: smallest and largest possible value, where the aggregate has none of its own.
        level: of the interval, in (0, 1).
        unit: what a cluster is, in the plural.

    Raises:
        ValueError: fewer than two repeats, or one of lists of different lengths.
    """
    how = AGGREGATES[aggregate] if isinstance(aggregate, str) else aggregate
    if len(repeats) < 2:
        raise ValueError("a mean over seeds needs at least two")
    matrices = [check_statistics(one.statistics, how.columns) for one in repeats]
    if any(len(m) != len(one.items) or len(m) != len(one.groups) for m, one in zip(matrices, repeats, strict=True)):
        raise ValueError("statistics, items and groups of different lengths")
    items = {item: group for one in repeats for item, group in zip(one.items, one.groups, strict=True)}
    n = len(items)
    if not all(len(matrix) for matrix in matrices):
        return Estimate(None, None, None, n, 0, "", "no item has a score under one of the seeds")
    numbers, n_groups = cluster_codes([items[item] for item in sorted(items)])
    code_of = dict(zip(sorted(items), numbers.tolist(), strict=True))
    codes = [np.array([code_of[item] for item in one.items], dtype=np.intp) for one in repeats]
    values = [float(how(matrix, np.ones((1, len(matrix))))[0]) for matrix in matrices]
    value = float(np.mean(values))
    if math.isnan(value):
        return Estimate(None, None, None, n, n_groups, "", "not defined under one of the seeds")

    def without(reason: str) -> Estimate:
        return Estimate(value, None, None, n, n_groups, "", reason)

    if n_groups == 1:
        return without("one group only: nothing to compare it with")
    if how is AGGREGATES["ece"]:
        return without("a calibration error is too large by chance, by an amount that is not known")
    if how is AGGREGATES["upper_median"]:
        return without("a mean of medians has none")
    rows = [how.expand(matrix) if isinstance(how, Additive) else matrix for matrix in matrices]
    if len({row.shape[1] for row in rows}) == 1:
        # Numbered by what is in them, so that no order of the items changes the numbers.
        order = by_content(np.concatenate(rows), np.concatenate(codes), n_groups)
        codes = np.split(order, np.cumsum([len(matrix) for matrix in matrices])[:-1])
    found = [leave_one_out(how, matrix, code, n_groups) for matrix, code in zip(matrices, codes, strict=True)]
    if len({len(one.values) for one in found}) > 1:
        return without("the answers name more classes under one seed than under another")
    right_or_wrong = how is AGGREGATES["mean"] and all(bool(np.isin(matrix, (0.0, 1.0)).all()) for matrix in matrices)
    made = of_left_out(
        how,
        value,
        LeftOut(_mean([one.values for one in found]), _mean([one.rest for one in found]), _mean([one.sizes for one in found])),
        n,
        n_groups,
        bounds=how.bounds or bounds or ((0.0, 1.0) if right_or_wrong else None),
        level=level,
        unit=unit or ("items" if n_groups == n else "groups"),
    )
    return made._replace(method=f"mean over {len(repeats)} seeds, {made.method}" if made.method else "")


def _mean(arrays: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(np.mean(np.stack(arrays), axis=0), dtype=np.float64)
