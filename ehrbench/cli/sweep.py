"""``ehrbench sweep``: one task under several windows and policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sweep(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs of one task under several windows or policies, or folders above them.")
    ],
    metric: Annotated[str | None, typer.Option(help="Metric to show. [default: the primary metric of each task]")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write each table as Markdown, LaTeX and CSV, and the figure as SVG, into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show score against window and policy, with paired differences, and what refinement changed."""
    from ehrbench.correlation.output import write_files
    from ehrbench.studies.sweep import read_sweeps
    from ehrbench.studies.sweep_tables import file_part, sweep_figure, sweep_tables
    from ehrbench.studies.tables import WRITERS
    from ehrbench.terminal.output import print_json, print_table

    files: dict[str, str] = {}
    tables = []
    for one in read_sweeps(runs, metric, data_dir):
        own = sweep_tables(one, data_dir)
        tables += own
        files |= {f"{table.name}{suffix}": write(table) for table in own for suffix, write in WRITERS.values()}
        if (figure := sweep_figure(one)) is not None:
            files[f"{file_part(one)}.svg"] = figure
    written = write_files(out, files) if out is not None else []
    if as_json:
        print_json([dict(zip(table.records[0], row, strict=True)) for table in tables for row in table.records[1]])
        return
    for table in tables:
        typer.echo(f"{table.title}\n")
        print_table(table.header, table.rows, numbers=sorted(table.numbers))
        typer.echo("\n" + "\n".join(table.notes) + "\n")
    if written:
        typer.echo("\n".join(map(str, written)))
