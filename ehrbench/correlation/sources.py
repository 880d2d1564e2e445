"""Where ratings and scores come from: a task's release, tables, or runs, with what the files written of them say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ehrbench import __version__
from ehrbench.correlation.options import Options
from ehrbench.correlation.output import About
from ehrbench.correlation.ratings import Rankings, read_ratings
from ehrbench.correlation.release import RATED_RELEASES, Gold, Release, score_release
from ehrbench.correlation.run_scores import read_run_scores, with_lengths
from ehrbench.correlation.scores import Scores, read_scores
from ehrbench.errors import UsageError


class Source(NamedTuple):
    """Ratings with what they are about."""

    rankings: Rankings
    task: str
    title: str
    """For people."""
    synthetic: bool
    release: Release | None
    """Where the ratings are a release's."""
    default_metrics: tuple[str, ...]
    gold: Gold


def open_ratings(task: str | None, data_dir: str | None, ratings: Path | None, gold: Gold = "first") -> Source:
    """Find the ratings: of a task's release or of a table.

    Raises:
        UsageError: neither or both are named, or the task has no ratings.
        MissingError: the data are not there.
    """
    if (task is None) == (ratings is None):
        raise UsageError("say where the ratings are: either --task TASK (with --data-dir) or --ratings FILE")
    if ratings is not None:
        return Source(read_ratings(ratings), ratings.stem, ratings.stem, False, None, (), gold)
    assert task is not None
    from ehrbench.readers.data_dir import is_sample, locate
    from ehrbench.tasks.catalog import load_catalog

    spec = load_catalog().get(task)
    if spec.data.reader not in RATED_RELEASES:
        known = ", ".join(RATED_RELEASES)
        raise UsageError(f"task '{task}' has no ratings by people in its data ({known} has); give a table with --ratings")
    release = RATED_RELEASES.get(spec.data.reader)(locate(spec.data, data_dir), gold)
    rankings = replace(release.rankings, notes=(*release.notes, *release.rankings.notes))
    return Source(rankings, spec.task, spec.title or spec.task, is_sample(data_dir), release, tuple(spec.metrics), gold)


def collect_scores(
    source: Source,
    metrics: Sequence[str] | None,
    tables: Sequence[Path] = (),
    runs: Sequence[Path] = (),
    lower_is_better: Sequence[str] = (),
    arguments: Mapping[str, str] | None = None,
) -> tuple[Source, list[Scores]]:
    """Every metric's scores: of a release's own answers, of tables, and of runs.

    Args:
        source: the ratings.
        metrics: names to compute or to take; None: a task's own, and all that tables and runs hold.
        tables: files ``item, system, metric, score``.
        runs: run folders, or folders above them; each is a system.
        lower_is_better: metrics of tables of which a small score is good.
        arguments: of metrics that are computed here.

    Returns:
        (the source, with lengths of the runs' answers and further notes; the scores).

    Raises:
        UsageError: a metric that nothing holds, or malformed files.
    """
    found: list[Scores] = []
    notes: list[str] = []
    rankings, synthetic = source.rankings, source.synthetic
    for path in tables:
        read, odd = read_scores(path, lower_is_better)
        found += [one for one in read if metrics is None or one.metric in metrics]
        notes += odd
    held = {one.metric for one in found}
    rest = None if metrics is None else [name for name in metrics if name not in held]
    if runs:
        from ehrbench.scoring.loaded import find_runs

        made = read_run_scores(find_runs(list(runs)), rest)
        found += made.scores
        synthetic = synthetic or made.synthetic
        source = source._replace(task=made.task)
        if rankings.lengths is None:
            rankings = with_lengths(rankings, made.lengths)
    elif source.release is not None:
        if rest is None or rest:
            scored, odd = score_release(source.release, rest, source.default_metrics, arguments)
            found += scored
            notes += odd
    elif rest:
        raise UsageError(f"no table has scores of '{rest[0]}'; without a release or runs, metrics are those of --scores")
    return source._replace(rankings=replace(rankings, notes=(*rankings.notes, *notes)), synthetic=synthetic), found


def about(source: Source, options: Options, command: str, rule: str, *, drawn: bool = True) -> About:
    """What the files say of themselves.

    Args:
        source: of the ratings.
        options: as asked.
        command: free of paths.
        rule: for items with several rankings, as it was decided.
        drawn: whether something is drawn at random, so that the number of draws and the seed decide it.
    """
    parts = [
        f"tau:{options.tau}",
        f"nan:{options.nan_policy}",
        f"triples:{rule}",
        *([f"gold:{source.gold}"] if source.release else []),
        f"resample:{options.unit}",
        *([f"B:{options.resamples}", f"seed:{options.seed}"] if drawn else []),
        f"ratings:{source.rankings.digest()[:8]}",
        f"v:{__version__}",
    ]
    return About(
        task=source.task,
        suite=source.task.partition(".")[0],
        title=f"{source.title}, synthetic sample" if source.synthetic else source.title,
        synthetic=source.synthetic,
        signature="|".join(parts),
        command=command,
    )
