"""``ehrbench merge``: the shards of a run, answered by several processes or machines, as one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Folders of the shards, or folders above them.")],
    metrics: Annotated[str | None, typer.Option(help="Metrics to add, separated by commas. [default: the task's]")] = None,
    metric_arg: Annotated[
        list[str] | None, typer.Option("--metric-arg", help="Argument of a metric, as comet.checkpoint=PATH; repeatable.")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    no_score: Annotated[
        bool, typer.Option("--no-score", help="Stop after merging; `ehrbench score` continues from there.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Put the shards of `run --shard i/n` together and score the run; it equals the run made in one piece."""
    from ehrbench.cli.score import score
    from ehrbench.errors import INCOMPLETE_EXIT_CODE
    from ehrbench.runs.shards import merge_shards

    merged = merge_shards(shards)
    for one in merged:
        typer.echo(f"ehrbench: {one.items} items of {one.shards} shards are now {one.folder.path}", err=True)
    if not no_score:
        folders = [one.folder.path for one in merged]
        score(folders, metrics=metrics, metric_arg=metric_arg, data_dir=data_dir, quiet=quiet, as_json=as_json)
    if failed := sum(one.failed for one in merged):
        typer.echo(
            f"ehrbench: {failed} items ended without an answer, each with its reason in predictions.jsonl; the same `run` "
            "without --shard tries them again",
            err=True,
        )
        raise typer.Exit(INCOMPLETE_EXIT_CODE)
