"""``ehrbench submit``: pack the public part of finished runs into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def submit(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs (OUT/<model>/<task>/<hash>).")],
    out: Annotated[Optional[Path], typer.Option("--out", help="File to write, ending in .results.json, or a folder.")] = None,  # noqa: UP045
    data_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--data-dir",
            help="Folder that holds the releases now, for comparison. [default: where they were at the time of the run]",
        ),
    ] = None,
    reviewed_by: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--reviewed-by",
            help="Name of the person who has read every caveat and note of credentialed results; unread ones are withheld.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pack the numbers of finished runs into one file that can be dropped into another results folder."""
    from ehrbench.results.submission import pack
    from ehrbench.terminal.output import print_json

    path, means = pack(
        runs, out, data_dir=data_dir, reviewed_by=reviewed_by, say=lambda line: typer.echo(f"ehrbench: {line}", err=True)
    )
    if as_json:
        print_json({"file": str(path), "means": str(means) if means else None, "runs": len(runs)})
        return
    typer.echo(f"{path}: {len(runs)} result{'s' if len(runs) > 1 else ''}, numbers only. Put it below a results folder.")
    if means:
        typer.echo(f"{means}: their means over seeds. Put it beside.")
