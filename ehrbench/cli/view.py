"""``ehrbench view``: look at items, answers and records on pages of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders above them.")],
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(
            help="People's ratings of the same answers: a table with item, rater, system, rank (CSV, TSV, Excel, Parquet)."
        ),
    ] = None,
    person: Annotated[
        str | None, typer.Option("--as", help="Name under which flags and notes are kept. [default: your login name]")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes any free port.")] = 0,
    idle_minutes: Annotated[
        float, typer.Option(min=0, help="Stop after this many minutes without a request; 0 means never.")
    ] = 60,
) -> None:
    """Serve pages that set runs side by side, item by item. Nobody but you, on this machine, can open them."""
    from ehrbench.workbench.view.serve import serve_view

    def ready(link: str) -> None:
        typer.echo(link)
        typer.echo("Open this link in a browser on this machine; Ctrl-C ends it", err=True)

    idle = serve_view(
        runs,
        data_dir,
        ratings,
        person,
        port=port,
        idle_minutes=idle_minutes,
        ready=ready,
        say=lambda line: typer.echo(line, err=True),
    )
    if idle:
        typer.echo(f"closed after {idle_minutes:g} minutes without a request", err=True)
