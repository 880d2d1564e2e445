"""One task under several windows and policies: where each run stands, and whether more of the record helps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ehrbench.correlation.compare import Comparison, compare
from ehrbench.correlation.run_pairs import Run, pair_runs, read_run
from ehrbench.errors import EhrbenchError, UsageError, unknown_name
from ehrbench.results.schema import MetricResult
from ehrbench.scoring.loaded import find_runs

_MEANT = frozenset({"context policy", "window", "tokenizer of the window", "share of records cut"})


class Line(NamedTuple):
    """What a line of the figure has in common."""

    model: str
    policy: str
    other: str
    """Prompt, worked examples and items, where runs differ in them; empty where they do not."""

    @property
    def name(self) -> str:
        """The model, for people."""
        return ", ".join(filter(None, (self.model, self.other)))


class Point(NamedTuple):
    """One run."""

    line: Line
    window: int | None
    """Tokens of prompt and answer; None: not limited."""
    run: Run
    metric: MetricResult
    """Its value is None where the window left no room for an answer, or nothing was scored: a gap, which is named."""

    @property
    def reason(self) -> str:
        """Why there is no value."""
        if self.metric.value is not None:
            return ""
        ended = {name: n for name, n in self.run.result.outcomes.items() if n and name != "answered"}
        return ", ".join(f"{n} items {name}" for name, n in ended.items()) or self.metric.missing or "no value"


class Difference(NamedTuple):
    """Two points of one model, the second less the first."""

    first: Point
    second: Point
    found: Comparison


class Sweep(NamedTuple):
    """The runs of one task under one protocol."""

    task: str
    protocol: str
    metric: str
    points: Sequence[Point]
    differences: Sequence[Difference]
    notes: Sequence[str]


def read_sweeps(paths: Sequence[Path], metric: str | None = None, data_dir: str | None = None) -> list[Sweep]:
    """Every task of the runs at or below the given folders that was run under two windows or policies.

    Args:
        paths: folders.
        metric: its name; None: each task's primary one.
        data_dir: where the data are, for the patients; None: where they were when it ran.

    Raises:
        UsageError: no task was run under two windows or policies, two runs say the same, or a metric that a run lacks.
        MissingError: a run is not scored.
    """
    found = sweeps_of(paths, metric, data_dir)
    if not found:
        raise UsageError(
            f"no task at or below {', '.join(map(str, paths))} was run under two windows or policies: run it again with another "
            "--max-model-len or --context"
        )
    return found


def sweeps_of(paths: Sequence[Path], metric: str | None = None, data_dir: str | None = None) -> list[Sweep]:
    """As ``read_sweeps``, with nothing where there is no sweep."""
    kinds: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for folder in find_runs(paths):
        run = read_run(folder)
        if run.result.context is not None:
            kinds[run.result.task, run.result.protocol, run.result.track].append(run)
    several = (runs for _, runs in sorted(kinds.items()) if len({_setting(run) for run in runs}) > 1)
    return [_sweep(runs, metric, data_dir) for runs in several]


def _sweep(runs: Sequence[Run], name: str | None, data_dir: str | None) -> Sweep:
    metric = name or runs[0].result.primary
    points = sorted(_points(runs, metric), key=lambda p: (p.line, p.window or 0))
    pairs, sides = [], []
    notes = []
    for first, second in _steps(points):
        if first.reason or second.reason:
            continue
        try:
            pairs.append(pair_runs(second.run, first.run, _MEANT))
            sides.append((first, second))
        except EhrbenchError as error:
            notes.append(str(error))
    report = compare(pairs, [metric], data_dir=data_dir) if pairs else None
    rows = report.rows if report is not None else ()
    differences = [Difference(*side, row) for side, row in zip(sides, rows, strict=True)]
    notes += report.warnings if report is not None else ()
    result = runs[0].result
    return Sweep(result.task, result.protocol, metric, points, differences, list(dict.fromkeys(notes)))


def _points(runs: Sequence[Run], name: str) -> Iterator[Point]:
    others = {_other(run) for run in runs}
    taken: dict[tuple[Line, int | None], Run] = {}
    for run in runs:
        context = run.result.context
        assert context is not None
        metric = run.result.metric(name)
        if metric is None:
            raise UsageError(
                f"{run.folder.path} has no '{name}': {unknown_name('metric of that run', name, run.statistics)}; "
                f"`ehrbench score {run.folder.path} --metrics {name}` adds it"
            )
        line = Line(run.name, context.policy, _other(run) if len(others) > 1 else "")
        if (line, context.window) in taken:
            raise UsageError(
                f"{taken[line, context.window].folder.path} and {run.folder.path} are two runs of {line.name} under one window "
                "and policy; name one of them"
            )
        taken[line, context.window] = run
        yield Point(line, context.window, run, metric)


def _steps(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """What is compared: each window with the next smaller one, and other policies with truncation to theirs and the largest."""
    lines: Mapping[Line, list[Point]] = defaultdict(list)
    for point in points:
        lines[point.line].append(point)
    for line, own in lines.items():
        yield from pairwise(own)
        for cut in (other for other in lines if other != line and _truncates(other) and not _truncates(line)):
            if (cut.model, cut.other) == (line.model, line.other):
                largest = lines[cut][-1]
                for point in own:
                    yield from ((at, point) for at in lines[cut] if at.window == point.window and at is not largest)
                    yield largest, point


def _truncates(line: Line) -> bool:
    return line.policy.startswith("truncate")


def _setting(run: Run) -> tuple[str, int | None]:
    context = run.result.context
    return (context.policy, context.window) if context is not None else ("", None)


def _other(run: Run) -> str:
    config = run.config
    parts = [config["prompt"] if config["prompt"] != "default" else ""]
    parts += [f"{config['num_fewshot']} examples"] if config["num_fewshot"] else []
    parts += [f"first {config['limit']} items"] if config["limit"] else []
    return ", ".join(filter(None, parts))
