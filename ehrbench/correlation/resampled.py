"""Means and standard deviations over bootstrap resamples, as papers print them, beside the intervals of the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ehrbench.correlation.run_pairs import item_scores, read_run
from ehrbench.metrics import METRICS
from ehrbench.readers.item import Item
from ehrbench.results.schema import MetricResult
from ehrbench.runs.folder import RunFolder
from ehrbench.scoring.loaded import find_runs, load_run
from ehrbench.stats.bootstrap import resampled

Unit = Literal["records", "patients", "items"]


class Resampled(NamedTuple):
    """One metric of one run over its resamples."""

    task: str
    model: str
    protocol: str
    metric: MetricResult
    """As the result has it."""
    mean: float | None
    """Of the resamples in which the metric is defined; None: fewer than two."""
    sd: float | None
    undefined: int
    """Resamples in which it is not: an AUROC without both classes."""
    units: int
    """What was drawn with replacement, as many as there are."""


def resampled_runs(
    paths: Sequence[Path],
    metric: str | None = None,
    *,
    unit: Unit = "records",
    resamples: int = 1000,
    seed: int = 0,
    data_dir: str | None = None,
) -> list[Resampled]:
    """Draw the test set of each run with replacement (MIMIC-Instr, Table 5: 1,000 times).

    Args:
        paths: folders of runs, or above them.
        metric: its name; None: each task's primary one.
        unit: what is drawn: records (of a prediction task: the admission, with all its labels), patients, or single items.
        resamples: draws, at least 2.
        seed: of the draws.
        data_dir: where the data are; None: where they were when it ran.

    Raises:
        UsageError: a run lacks the metric, or the metric is not made of items.
        MissingError: a run is not scored, or its data are not there.
    """
    return [_one(folder, metric, unit, resamples, seed, data_dir) for folder in find_runs(paths)]


def _one(folder: RunFolder, name: str | None, unit: Unit, resamples: int, seed: int, data_dir: str | None) -> Resampled:
    run = read_run(folder)
    found, own = item_scores(run, name)
    items = {item.id: item for item in load_run(folder, data_dir).items}
    names = sorted(own)
    drawn_as = [_unit(items[item], unit) for item in names]
    values = resampled(
        np.array([own[item] for item in names]), drawn_as, METRICS.get(found.name).aggregate, resamples=resamples, seed=seed
    )
    defined = values[~np.isnan(values)]
    many = len(defined) > 1
    return Resampled(
        run.result.task,
        run.name,
        run.result.protocol,
        found,
        float(defined.mean()) if many else None,
        float(defined.std(ddof=1)) if many else None,
        int(len(values) - len(defined)),
        len(set(drawn_as)),
    )


def _unit(item: Item, unit: Unit) -> str:
    wanted = {"records": item.record_id, "patients": item.group, "items": item.id}[unit]
    return item.id if wanted is None else wanted
