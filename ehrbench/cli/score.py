"""``ehrbench score``: score stored predictions again, or with further metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders above them.")],
    metrics: Annotated[str | None, typer.Option(help="Metrics to add, with commas between. [default: the task's]")] = None,
    metric_arg: Annotated[
        list[str] | None, typer.Option("--metric-arg", help="metric.name=value, as comet.checkpoint=PATH; repeatable.")
    ] = None,
    comet_source: Annotated[
        str | None, typer.Option(help="What COMET is shown as source: bm25, instruction or empty. [default: bm25]")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data are. [default: where they were when it ran]")] = None,
    processes: Annotated[int | None, typer.Option(help="Worker processes. [default: as the work is worth]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Score stored predictions in any environment; the model is not needed. Exits 5 when a metric failed."""
    from ehrbench.cli.output import print_json, print_result, scoring_progress
    from ehrbench.errors import INCOMPLETE_EXIT_CODE, EhrbenchError
    from ehrbench.neural.arguments import parse_arguments
    from ehrbench.scoring.run import find_runs, load_run, score_run

    arguments = parse_arguments([*(metric_arg or ()), *([f"comet.source={comet_source}"] if comet_source else ())])
    failures = []

    def failed(name: str, error: EhrbenchError) -> None:
        failures.append(name)
        typer.echo(f"ehrbench: {error}", err=True)

    results = []
    for folder in find_runs(runs):
        with folder.locked(), scoring_progress(quiet) as progress:
            names = metrics.split(",") if metrics else None
            run = load_run(folder, data_dir)
            results.append(score_run(run, names, arguments=arguments, processes=processes, progress=progress, failed=failed))
        if not as_json:
            print_result(results[-1])
    if as_json:
        print_json([result.model_dump(mode="json") for result in results])
    if failures:
        raise typer.Exit(INCOMPLETE_EXIT_CODE)
