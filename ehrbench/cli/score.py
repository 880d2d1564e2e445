"""``ehrbench score``: score stored predictions again, or with further metrics; or a leaderboard submission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from ehrbench.results.groups import GroupResult
    from ehrbench.scoring.groups import Scored
    from ehrbench.tasks.schema import Protocol


def score(
    runs: Annotated[Optional[list[Path]], typer.Argument(help="Run folders, or folders above them.")] = None,  # noqa: UP045
    metrics: Annotated[str | None, typer.Option(help="Metrics to add, separated by commas. [default: the task's]")] = None,
    metric_arg: Annotated[
        list[str] | None, typer.Option("--metric-arg", help="Argument of a metric, as comet.checkpoint=PATH; repeatable.")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the Python code of metrics that are not ehrbench's (evaluate:NAME).")
    ] = False,
    comet_source: Annotated[
        str | None, typer.Option(help="What COMET is given as source: bm25, instruction or empty. [default: bm25]")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Number of worker processes. [default: by the amount of work]")] = None,
    submission: Annotated[
        list[Path] | None,
        typer.Option(
            help="Submission to score in place of runs: a CSV with the columns task_id, input, GT and output; repeatable."
        ),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Suite of the submission. [default: the only suite that has submissions]")
    ] = None,
    protocol: Annotated[str, typer.Option(help="Protocol of the submission: clean or paper.")] = "clean",
    model_name: Annotated[
        str | None, typer.Option(help="Name of the submission's model. [default: the end of the file's name]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for a submission's results.")] = Path("results"),
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Average groups over the tasks that are there; such averages are marked.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Score stored predictions in any environment; the model is not needed. Exits 5 when a metric failed."""
    from ehrbench.cli.groups import print_groups
    from ehrbench.cli.report import metric_names, print_repeats
    from ehrbench.errors import INCOMPLETE_EXIT_CODE, EhrbenchError, UsageError
    from ehrbench.metrics.arguments import parse_arguments
    from ehrbench.scoring.groups import Scored, group_results, write_groups
    from ehrbench.scoring.loaded import find_runs, load_run
    from ehrbench.scoring.repeats import ScoredRun, write_means
    from ehrbench.scoring.run import score_run
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json, print_result
    from ehrbench.terminal.progress import Display

    arguments = parse_arguments(
        [*(metric_arg or ()), *([f"comet.source={comet_source}"] if comet_source else ())], trust_remote_code=trust_remote_code
    )
    names = metric_names(metrics, arguments)
    failures = []

    def failed(name: str, error: EhrbenchError) -> None:
        failures.append(name)
        typer.echo(f"ehrbench: {error}", err=True)

    if bool(runs) == bool(submission):
        raise UsageError("give either run folders or --submission FILE")
    scored: list[Scored] = []
    for folder in find_runs(runs) if runs else ():
        with folder.locked(), Display(quiet) as show:
            run = load_run(folder, data_dir)
            result = score_run(run, names, arguments=arguments, processes=processes, progress=show.metric, failed=failed)
            scored.append(Scored(run, result))
        if not as_json:
            print_result(result)
    for path in submission or ():
        scored += _submitted(path, suite, protocol, model_name, data_dir, out, quiet, as_json)
    repeats = [] if submission else write_means([ScoredRun(*one) for one in scored])
    groups: list[GroupResult] = []
    try:
        if len({one.result.task for one in scored}) > 1:
            groups = group_results(scored, load_catalog(), allow_partial=allow_partial)
    except UsageError as error:  # several runs of one task are no fault of a command that scores runs
        typer.echo(f"ehrbench: no group results: {error}", err=True)
    write_groups(out if submission else scored[0].run.folder.path.parents[2], groups)
    if as_json:
        print_json([one.model_dump(mode="json") for one in (*(one.result for one in scored), *groups, *repeats)])
    else:
        print_groups(groups)
        if repeats:
            print_repeats(repeats)
    if failures:
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


def _submitted(
    path: Path, suite: str | None, protocol: str, name: str | None, data_dir: str | None, out: Path, quiet: bool, as_json: bool
) -> list[Scored]:
    from ehrbench.errors import UsageError
    from ehrbench.scoring.submissions import SUBMISSIONS, only_suite
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_result
    from ehrbench.terminal.progress import Display

    if protocol not in ("clean", "paper"):
        raise UsageError(f"--protocol is '{protocol}': expected clean, paper")
    wanted: Protocol = "paper" if protocol == "paper" else "clean"
    with Display(quiet) as show:
        suite = suite or only_suite()
        scored = SUBMISSIONS.get(suite)(
            path, suite, load_catalog(), protocol=wanted, name=name, data_dir=data_dir, out=out, progress=show.metric
        )
    for one in [] if as_json else scored:
        print_result(one.result)
        typer.echo(f"\n{one.run.folder.path}")
    return scored
