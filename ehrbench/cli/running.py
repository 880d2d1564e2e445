"""What the commands that answer tasks share: options, tasks that are ready, one task answered and scored, the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from ehrbench.models.protocol import Model
    from ehrbench.results.groups import GroupResult
    from ehrbench.results.schema import Result
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.prepared import Prepared
    from ehrbench.scoring.loaded import LoadedRun
    from ehrbench.tasks.catalog import Catalog
    from ehrbench.tasks.schema import TaskSpec


class Finished(NamedTuple):
    """A task that was run."""

    folder: Path
    failures: Mapping[str, int]
    """Items without an answer, by outcome."""
    run: LoadedRun | None = None
    result: Result | None = None
    n_broken: int = 0
    """Metrics that failed."""
    n_open: int = 0
    """Items whose calls wait for answers elsewhere; such a run is not scored yet."""


def metric_names(given: str | None, arguments: dict[str, str]) -> list[str] | None:
    """The metrics of ``--metrics``, checked before a model is asked anything; None where the task's own are meant."""
    from ehrbench.errors import UsageError
    from ehrbench.scoring.score import check_metrics

    if given is None:
        return None
    names = list(dict.fromkeys(filter(None, (name.strip() for name in given.split(",")))))
    if not names:
        raise UsageError("--metrics names no metric; `ehrbench metrics list` shows them")
    check_metrics(names, arguments)
    return names


def prepare_all(tasks: Sequence[TaskSpec], model: Model, options: RunOptions, allow_partial: bool) -> list[Prepared]:
    """Open every task's data; all that are missing are named at once, and left out where that is allowed."""
    from ehrbench.errors import MissingError
    from ehrbench.runs.prepared import prepare

    ready: list[Prepared] = []
    missing: list[tuple[str, MissingError]] = []
    for task in tasks:
        try:
            ready.append(prepare(task, model, options))
        except MissingError as error:
            if len(tasks) == 1:
                raise
            missing.append((task.task, error))
    if not missing:
        return ready
    if not ready or not allow_partial:
        names = ", ".join(name for name, _ in missing[:5]) + (", …" if len(missing) > 5 else "")
        further = "--allow-partial runs the others; " if ready else ""
        raise MissingError(
            f"{len(missing)} of {len(tasks)} tasks have no data ({names}); {further}`ehrbench data status` says where to get "
            f"them. The first: {missing[0][1]}"
        )
    for name, reason in missing:
        typer.echo(f"ehrbench: {name} is left out: {reason}", err=True)
    return ready


def _groups(finished: Sequence[Finished], catalog: Catalog, options: RunOptions, allow_partial: bool) -> list[GroupResult]:
    """The groups of suites of which several tasks were scored, written beside the runs."""
    from ehrbench.scoring.groups import Scored, group_results, write_groups

    scored = [Scored(one.run, one.result) for one in finished if one.run is not None and one.result is not None]
    if len(scored) < 2:
        return []
    groups = group_results(scored, catalog, allow_partial=allow_partial, folders=options.include_paths)
    write_groups(options.out, groups)
    return groups


def answer_and_score(run: Any, metrics: list[str] | None, arguments: dict[str, str], no_score: bool, quiet: bool) -> Finished:
    """Generate and score one task."""
    from ehrbench.results.schema import SCORED_OUTCOMES
    from ehrbench.runs.execute import generate
    from ehrbench.scoring.loaded import load_run
    from ehrbench.scoring.run import score_run
    from ehrbench.terminal.output import scoring_progress

    folder, predictions = generate(run, quiet=quiet, say=lambda line: typer.echo(f"ehrbench: {line}", err=True))
    failed: Counter[str] = Counter(p.outcome for p in predictions if p.outcome not in SCORED_OUTCOMES)
    reasons = Counter(f"{p.outcome}: {p.error}" for p in predictions if p.outcome not in SCORED_OUTCOMES)
    for reason, count in reasons.most_common(5):
        first = next(p.item for p in predictions if f"{p.outcome}: {p.error}" == reason)
        typer.echo(f"ehrbench: {count} items of {run.task.task} (first: {first}): {reason}", err=True)
    if run.options.shard is not None:
        typer.echo(f"ehrbench: {len(predictions)} of {len(run.items)} items are this shard's; `ehrbench merge` scores", err=True)
        return Finished(folder.path, failed)
    waiting = len(run.items) - len(predictions)
    if no_score or waiting:
        return Finished(folder.path, failed, n_open=waiting)
    broken = []

    def tell(name: str, error: Exception) -> None:
        broken.append(name)
        typer.echo(f"ehrbench: {error}", err=True)

    with scoring_progress(quiet) as progress:
        loaded = load_run(folder)
        result = score_run(loaded, metrics, arguments=arguments, progress=progress, failed=tell)
    return Finished(folder.path, failed, loaded, result, len(broken))


def read_options(given: dict[str, Any]) -> RunOptions:
    """The command's arguments, checked, as run options."""
    from dataclasses import fields

    from ehrbench.errors import UsageError
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.shards import parse_shard
    from ehrbench.terminal.output import key_values

    for name, legal in {
        "protocol": ("clean", "paper"),
        "context": ("truncate", "refine", "retrieve", "full"),
        "keep": ("end", "start"),
        "executor": ("local", "ray"),
    }.items():
        if given[name] is not None and given[name] not in legal:
            raise UsageError(f"--{name} is '{given[name]}': expected {', '.join(legal)}")
    arguments = key_values(given["model_arg"], "--model-arg")
    if given["model_profile"] is not None:
        from ehrbench.runs.profiles import load_profile, with_profile

        given, arguments = with_profile(given, arguments, load_profile(given["model_profile"]))
    given = {**given, "shard": parse_shard(given["shard"]) if given["shard"] is not None else None}
    if given.get("stop") is not None:
        given["stop"] = tuple(text.replace("\\n", "\n") for text in given["stop"] if text)
    values = {f.name: given[f.name] for f in fields(RunOptions) if f.name in given}
    return RunOptions(**{**values, "model_args": arguments, "include_paths": tuple(given["include_path"] or ())})


_NEXT_STEPS = {
    "api_error": "the same command tries them again",
    "overflow": "the same command would end so again: give the model's window as --max-model-len, so that records are fitted "
    "into it, or choose --context refine",
    "refused": "a content filter took them, and the same command would end so again",
}


def report(finished: Sequence[Finished], catalog: Catalog, options: RunOptions, *, allow_partial: bool, as_json: bool) -> None:
    """Print what was run, and leave with the exit code that says whether all of it has answers."""
    from ehrbench.cli.groups import print_groups
    from ehrbench.errors import INCOMPLETE_EXIT_CODE
    from ehrbench.terminal.output import print_json, print_result

    groups = _groups(finished, catalog, options, allow_partial)
    if as_json:
        results = [{"folder": str(one.folder), **(one.result.model_dump(mode="json") if one.result else {})} for one in finished]
        print_json([*results, *(group.model_dump(mode="json") for group in groups)])
    else:
        for one in finished:
            if one.result is not None:
                print_result(one.result)
            typer.echo(f"\n{one.folder}")
        print_groups(groups)
    failed: Counter[str] = sum((Counter(one.failures) for one in finished), Counter())
    for outcome, n in failed.items():
        typer.echo(f"ehrbench: {n} items ended without an answer: {outcome}; {_NEXT_STEPS[outcome]}", err=True)
    if failed or any(one.n_broken or one.n_open for one in finished):
        raise typer.Exit(INCOMPLETE_EXIT_CODE)
