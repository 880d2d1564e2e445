"""``ehrbench score``: score stored predictions again, or with further metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders above them.")],
    metrics: Annotated[str | None, typer.Option(help="Metrics to add, with commas between. [default: the task's]")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data are. [default: where they were when it ran]")] = None,
    processes: Annotated[int | None, typer.Option(help="Worker processes. [default: as the work is worth]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Score stored predictions in any environment; the model is not needed."""
    from ehrbench.cli.output import print_json, print_result, scoring_progress
    from ehrbench.scoring.run import find_runs, load_run, score_run

    results = []
    for folder in find_runs(runs):
        with folder.locked(), scoring_progress(quiet) as progress:
            names = metrics.split(",") if metrics else None
            results.append(score_run(load_run(folder, data_dir), names, processes=processes, progress=progress))
        if not as_json:
            print_result(results[-1])
    if as_json:
        print_json([result.model_dump(mode="json") for result in results])
