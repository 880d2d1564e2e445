"""Two sides of a comparison: their runs matched task by task, and refused where a difference would say nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.jsonl import read_rows
from ehrbench.metrics import METRICS
from ehrbench.results.schema import MetricResult, Result
from ehrbench.results.store import read_result
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.stats.aggregate import FloatArray


class Run(NamedTuple):
    """One run, as far as a comparison needs it."""

    folder: RunFolder
    config: Mapping[str, Any]
    result: Result
    statistics: Mapping[str, Mapping[str, tuple[float, ...]]]
    """Metric to item to statistics; an item without an answer, or for which the metric is undefined, is absent."""

    @property
    def name(self) -> str:
        """For people."""
        return self.result.model.name


_Key = tuple[str, str]
"""Task and track."""


class RunPair(NamedTuple):
    """Two runs of one task."""

    a: Run
    b: Run
    warnings: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    """To be compared where nobody asks for others; none: the task's primary one."""

    @property
    def task(self) -> str:
        """The task."""
        return self.a.result.task


def match_runs(a: Path, b: Path) -> list[RunPair]:
    """Match the runs at or below two folders by task.

    Raises:
        UsageError: a side has no run, two runs of one task, or the two sides share no task; or two runs are not comparable.
        MissingError: a run has no result or no item scores.
    """
    from ehrbench.scoring.loaded import find_runs

    sides = [_by_task(find_runs([path]), path) for path in (a, b)]
    shared = [key for key in sides[0] if key in sides[1]]
    if not shared:
        if tasks := {task for task, _ in sides[0]} & {task for task, _ in sides[1]}:
            raise UsageError(
                f"task '{min(tasks)}': the runs are of different tracks ({_list(sides[0])} in {a}, {_list(sides[1])} in {b}); "
                "numbers of two tracks are never compared"
            )
        raise UsageError(
            f"the runs are of different tasks ({_list(sides[0])} in {a}, {_list(sides[1])} in {b}); "
            "compare takes two runs of one task"
        )
    pairs = [pair_runs(sides[0][task], sides[1][task]) for task in shared]
    for side, other, path in ((sides[0], sides[1], b), (sides[1], sides[0], a)):
        if lacking := {key: run for key, run in side.items() if key not in other}:
            pairs[0] = pairs[0]._replace(warnings=(*pairs[0].warnings, f"{path} has no run of {_list(lacking)}: left out"))
    return pairs


def _by_task(folders: Sequence[RunFolder], path: Path) -> dict[_Key, Run]:
    found: dict[_Key, Run] = {}
    for folder in folders:
        run = read_run(folder)
        if not run.statistics:
            raise _unscored(folder)
        key = (run.result.task, run.result.track)
        if key in found:
            raise UsageError(
                f"{path} holds two runs of task '{run.result.task}': {found[key].folder.path} and {folder.path}; name one of them"
            )
        found[key] = run
    return found


def read_run(folder: RunFolder) -> Run:
    """A run with a result; without item scores where no item has an answer.

    Raises:
        MissingError: it has no result.
    """
    manifest = read_manifest(folder)
    statistics: dict[str, dict[str, tuple[float, ...]]] = {}
    for row in read_rows(folder.scores):
        items = statistics.setdefault(row["metric"], {})
        own = tuple(row.get("statistics") or (row["score"],))
        if own[0] is not None:
            items[row["item"]] = own
    if not folder.result.is_file():
        raise _unscored(folder)
    return Run(folder, manifest["config"], read_result(folder.result), statistics)


def item_scores(run: Run, name: str | None) -> tuple[MetricResult, Mapping[str, tuple[float, ...]]]:
    """A metric of a run and the items' statistics.

    Args:
        run: scored.
        name: of the metric; None: the task's primary one.

    Raises:
        UsageError: the run has no item scores of it.
    """
    name = name or run.result.primary
    found, own = run.result.metric(name), run.statistics.get(name)
    if found is None or not own or name not in METRICS:
        raise UsageError(
            f"{run.folder.path} has no item scores of '{name}' ({unknown_name('metric of that run', name, run.statistics)})"
        )
    return found, own


def _unscored(folder: RunFolder) -> MissingError:
    return MissingError(f"{folder.path} is not scored; `ehrbench score {folder.path}` does that")


def pair_runs(a: Run, b: Run, meant: Collection[str] = ()) -> RunPair:
    """Two runs of one task, with what besides the model differs between them.

    Args:
        a: the first.
        b: the second.
        meant: differences that are the point of the comparison, of which nothing is said ("window").

    Raises:
        UsageError: one run twice, or numbers that are never compared.
    """
    if a.folder.path.resolve() == b.folder.path.resolve():
        raise UsageError(f"both sides are the same run, {a.folder.path}")
    facts = {
        "task versions": (a.result.task_version, b.result.task_version, "run one of them again"),
        "protocols": (
            a.result.protocol,
            b.result.protocol,
            "numbers of the two protocols are never compared: run one again with --protocol",
        ),
        "data": (str(a.config["data_hash"])[:12], str(b.config["data_hash"])[:12], "run one again on the other's data"),
        "scales": (a.result.synthetic, b.result.synthetic, "invented and real data are never compared"),
    }
    for what, (one, other, advice) in facts.items():
        if one != other:
            raise UsageError(
                f"task '{a.result.task}': the runs have different {what} ({a.name}: {one}, {b.name}: {other}); {advice}"
            )
    return RunPair(a, b, tuple(_differences(a, b, meant)))


def _differences(a: Run, b: Run, meant: Collection[str]) -> list[str]:
    """What besides the model differs, and may be why the numbers do."""
    context_a, context_b = a.config.get("context") or {}, b.config.get("context") or {}
    pairs: list[tuple[str, Any, Any]] = [
        ("engine", a.result.model.backend, b.result.model.backend),
        ("prompt", a.result.prompt, b.result.prompt),
        ("prompt text", a.config["prompt_hash"][:8], b.config["prompt_hash"][:8]),
        ("context policy", context_a.get("context"), context_b.get("context")),
        ("window", context_a.get("window"), context_b.get("window")),
        ("tokenizer of the window", context_a.get("tokenizer"), context_b.get("tokenizer")),
        ("share of records cut", _cut(a), _cut(b)),
        ("generation settings", a.config["generation"], b.config["generation"]),
        ("worked examples", a.config["num_fewshot"], b.config["num_fewshot"]),
        ("limit", a.config["limit"], b.config["limit"]),
        ("chosen items", a.config.get("samples"), b.config.get("samples")),
    ]
    return [
        f"{a.result.task}: {what} differs: {_short(one)} and {_short(two)}"
        for what, one, two in pairs
        if one != two and what not in meant
    ]


def _cut(run: Run) -> str:
    context = run.result.context
    return f"{context.n_records_cut / run.result.n_items:.0%}" if context and run.result.n_items else "none"


def _short(value: Any) -> str:
    return (
        ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else "none" if value is None else str(value)
    )


def _list(runs: Mapping[_Key, Run]) -> str:
    names = [f"{task} ({track})" if track else task for task, track in runs]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def common(a: Run, b: Run, metric: str) -> tuple[list[str], FloatArray, FloatArray]:
    """The items that both runs have statistics for, by name, with either side's statistics."""
    one, two = a.statistics.get(metric, {}), b.statistics.get(metric, {})
    items = sorted(set(one) & set(two))
    return items, *(np.array([side[item] for item in items], dtype=np.float64) for side in (one, two))  # type: ignore[return-value]
