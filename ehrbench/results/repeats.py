"""The mean over repeats of one run under several seeds, as it is stored beside the runs: numbers only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ehrbench.hashing import hash_data
from ehrbench.jsonl import write_atomically
from ehrbench.results.review import WITHHELD, guarded, harmless
from ehrbench.results.schema import MetricResult, ModelInfo, Result, Usage

SUFFIX = ".repeats.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Repeats(_Part):
    """A task's numbers for one model, as means over seeds."""

    schema_version: Literal[1] = 1
    kind: Literal["repeats"] = "repeats"
    task: str
    protocol: Literal["clean", "paper"]
    track: str = ""
    prompt: str = "default"
    model: ModelInfo
    synthetic: bool = False
    partial: bool = False
    n_items: int
    seeds: list[int]
    config_hashes: list[str]
    """Of the runs, in the order of the seeds."""
    metrics: list[MetricResult]
    """Means over seeds; an interval is over items and seeds."""
    by_seed: dict[str, list[float | None]]
    """Values of each metric, in the order of the seeds."""
    primary: str

    @property
    def config_hash(self) -> str:
        """Names the runs together, as each run's own names it."""
        return hash_data(sorted(self.config_hashes))[:16]

    def metric(self, name: str) -> MetricResult | None:
        """The number of one metric, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def write_repeats(folder: Path, repeats: Repeats) -> Path:
    """Write the means into the folder of a model's runs of a task, whole or not at all."""
    return _write(folder / f"{repeats.config_hash}{SUFFIX}", repeats.model_dump(mode="json"))


def write_means(path: Path, means: Sequence[Repeats]) -> Path:
    """Write several into one file, as ``write_repeats`` writes one."""
    return _write(path, [one.model_dump(mode="json") for one in means])


def _write(path: Path, data: Any) -> Path:
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def fault_of(means: Repeats, runs: Sequence[Result]) -> str:
    """Why means are not those of the runs that are here; empty when they are."""
    n = len(means.seeds)
    if not len(runs) == len(set(means.config_hashes)) == len(set(means.seeds)) == n >= 2:
        return f"{len(runs)} of its {n} runs are here"
    if len({(run.protocol, run.track, run.prompt, run.synthetic, run.n_items, run.model.model_dump_json()) for run in runs}) > 1:
        return "its runs differ in more than their seed"
    for metric in runs[0].metrics:
        values = means.by_seed.get(metric.name)
        now = [found.value if (found := run.metric(metric.name)) is not None else None for run in runs]
        if values is not None and values != now:
            return f"its runs have other numbers of {metric.name} now; 'ehrbench score' with all of them makes it anew"
    return ""


def as_one(repeats: Repeats, runs: Sequence[Result]) -> Result:
    """Runs under several seeds as one result, whose numbers are the means.

    Its counts and outcomes are those of the seed under which the fewest items have a score, so that an item without an answer
    under one seed counts as unanswered. Subsets have means without an interval: their items are not known here.

    Args:
        repeats: the means.
        runs: their runs, in the order of the seeds.
    """
    first = runs[0]
    fewest = min(runs, key=lambda run: _n(run.metric(run.primary)))
    seeds = ",".join(map(str, repeats.seeds))
    strata = [name for name in first.strata if all(name in run.strata for run in runs)]
    return first.model_copy(
        update={
            "config_hash": repeats.config_hash,
            "signature": f"{first.signature.replace(first.config_hash, repeats.config_hash)}|seeds:{seeds}",
            "outcomes": fewest.outcomes,
            "metrics": [
                _over_seeds(metric.name, repeats, [run.metric(metric.name) for run in runs], guarded(first))
                for metric in first.metrics
            ],
            "strata": {name: _of_subset([run.strata[name] for run in runs]) for name in strata},
            "answers": None,
            "usage": _together([run.usage for run in runs]),
            "date": max(run.date for run in runs),
            "caveats": list(dict.fromkeys(caveat for run in runs for caveat in run.caveats)),
            "reviewed": None,
        }
    )


def without_words(repeats: Repeats, one: Result) -> Repeats:
    """The means as they may be published: every text is that of ``one``, which ``as_one`` made of runs that were judged."""
    same = ("task", "protocol", "track", "prompt", "model", "synthetic", "partial", "n_items", "metrics", "primary")
    names = {metric.name for metric in one.metrics}
    by_seed = {name: values for name, values in repeats.by_seed.items() if name in names}
    return repeats.model_copy(update={**{key: getattr(one, key) for key in same}, "by_seed": by_seed})


_NUMBERS = {"value", "low", "high", "interval", "caution", "strict_value", "baseline", "range", "missing"}


def _over_seeds(name: str, repeats: Repeats, found: Sequence[MetricResult | None], withhold: bool) -> MetricResult:
    """A metric's mean with the words of its runs, which were judged for publication, and not of the file of means.

    Args:
        name: of the metric.
        repeats: the means.
        found: the metric under each seed.
        withhold: whether what the mean says of its interval passes only where it is made of ehrbench's own words.
    """
    there = [metric for metric in found if metric is not None]
    fewest = min(there, key=_n)
    mean = repeats.metric(name)
    if mean is None or name not in repeats.by_seed:
        nothing = {"value": None, "low": None, "high": None, "interval": "", "caution": "", "strict_value": None}
        return fewest.model_copy(update=nothing | {"missing": "no mean over seeds was made: score the runs together"})
    numbers = mean.model_dump(include=_NUMBERS)
    if withhold:
        numbers |= {key: WITHHELD for key in ("interval", "caution", "missing") if numbers[key] and not harmless(numbers[key])}
    return fewest.model_copy(update=numbers)


def _of_subset(runs: Sequence[Sequence[MetricResult]]) -> list[MetricResult]:
    means = []
    for metric in runs[0]:
        found = [one for own in runs for one in own if one.name == metric.name]
        values = [one.value for one in found if one.value is not None]
        whole = len(found) == len(values) == len(runs)
        none = {"low": None, "high": None, "interval": "", "caution": "", "strict_value": None}
        mean = {"value": fmean(values)} if whole else {"value": None, "missing": "no value under one of the seeds"}
        means.append(min(found, key=_n).model_copy(update=none | mean))
    return means


def _together(used: Sequence[Usage]) -> Usage:
    """What all runs took; no cost where one's is not known."""
    names = [name for name in Usage.model_fields if name != "cost"]
    costs = [one.cost for one in used if one.cost is not None]
    total = {name: sum(getattr(one, name) for one in used) for name in names}
    return Usage(**total, cost=sum(costs) if len(costs) == len(used) else None)


def _n(metric: MetricResult | None) -> int:
    return 0 if metric is None else metric.n or 0
