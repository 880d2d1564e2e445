"""The interval of a number that is not made of single items' statistics: groups are left out in turn and it is computed anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ehrbench.errors import EhrbenchError
from ehrbench.stats.clusters import cluster_codes, degrees_of_freedom
from ehrbench.stats.estimate import Estimate, few_groups
from ehrbench.stats.interval import Bounds, interval, spread

_SEED = 20_260_101


def estimate_whole(
    value: Callable[[Sequence[int]], float],
    groups: Sequence[str | None],
    most: int,
    *,
    bounds: Bounds | None = None,
    level: float = 0.95,
) -> Estimate:
    """A number with its interval, from its values without each group in turn (the delete-a-group jackknife).

    With more groups than ``most``, they are drawn into that many parts of equal number, and a part is left out at a time
    (Kott 2001). The interval is made of these values by the rule for all numbers (``ehrbench.stats.interval``).

    Args:
        value: the number of the items of these indices; EhrbenchError or NaN where it has none.
        groups: the cluster of each item, usually the patient; None for an item that stands alone.
        most: parts at most, each of which costs one call of ``value``; 0: no interval.
        bounds: smallest and largest possible value, if there are any.
        level: of the interval, in (0, 1).
    """
    n = len(groups)
    if n == 0:
        return Estimate(None, None, None, 0, 0, "", "no item has a score")
    codes, n_groups = cluster_codes(groups)
    whole = value(range(n))
    if math.isnan(whole):
        return Estimate(None, None, None, n, n_groups, "", "not a number for these items")

    def without(reason: str) -> Estimate:
        return Estimate(whole, None, None, n, n_groups, "", reason)

    if n_groups == 1:
        return without("one group only: nothing to compare it with")
    if most < 2:
        return without("it is not made of scores of single items, and patients were not to be left out (evaluate.left_out=0)")
    count = min(n_groups, most)
    if count < n_groups:
        part_of = np.random.default_rng(_SEED).permutation(np.arange(n_groups) % count)
        codes = part_of[codes]
    left_out = []
    for part in range(count):
        rows = np.flatnonzero(codes != part).tolist()
        try:
            rest = value(rows)
        except EhrbenchError:
            rest = math.nan
        if math.isnan(rest):
            return without("not defined without one of the groups")
        left_out.append(rest)
    sizes = np.bincount(codes, minlength=count).astype(np.float64)
    ends = interval(spread(whole, np.array(left_out), degrees_of_freedom(sizes), count), bounds, level)
    if ends is None:
        return without("all groups have one value, and nothing says what else it might be")
    unit = "items" if n_groups == n else "groups"
    parts = f"{n_groups} {unit}" + (f" in {count} parts" if count < n_groups else "")
    kind = "Student's t" if bounds is None else "score interval"
    return Estimate(whole, *ends, n, n_groups, f"{kind}, jackknife over {parts}", caution=few_groups(n_groups, unit))
