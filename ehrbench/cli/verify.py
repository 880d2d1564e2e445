"""``ehrbench verify``: recompute a result from the stored predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    include_path: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with task files, with which the run's task is then compared, too; repeatable."),
    ] = None,
    metric_arg: Annotated[
        list[str] | None,
        typer.Option("--metric-arg", help="Argument of a metric (metric.name=value) that the run was scored with; repeatable."),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the Python code of metrics that are not ehrbench's (evaluate:NAME).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that a result follows from its predictions and its data; exits 1 when it does not."""
    from ehrbench.metrics.arguments import parse_arguments
    from ehrbench.runs.folder import open_run
    from ehrbench.scoring.loaded import load_run
    from ehrbench.scoring.verify import task_problems, verify_run
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json

    loaded = load_run(open_run(run), data_dir)
    problems = task_problems(loaded, load_catalog(include_path)) if include_path else []
    problems += verify_run(loaded, parse_arguments(metric_arg or (), trust_remote_code=trust_remote_code))
    if as_json:
        print_json({"run": str(loaded.folder.path), "verified": not problems, "problems": problems})
    elif problems:
        typer.echo("\n".join(problems))
    else:
        typer.echo(f"verified: {len(loaded.items)} items, every number follows from the stored predictions")
    if problems:
        raise typer.Exit(1)
