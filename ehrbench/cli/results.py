"""``ehrbench results``: look after result files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from ehrbench.cli.suite_commands import suite_group

app = typer.Typer(
    no_args_is_help=True,
    help="Check result files, and write them in the form of a benchmark's own leaderboard.",
    cls=suite_group("results"),
)


@app.callback()
def _group() -> None:
    pass


@app.command("validate")
def validate_command(
    paths: Annotated[Optional[list[Path]], typer.Argument(help="Files or folders of results. [default: results]")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check schema, hashes and plausibility of results; exit 2 when something is wrong."""
    from ehrbench.results.validate import validate_paths
    from ehrbench.terminal.output import print_json

    n_results, faults = validate_paths(paths or [Path("results")])
    if as_json:
        print_json({"results": n_results, "faults": [fault.message for fault in faults]})
    for fault in [] if as_json else faults:
        typer.echo(fault.message)
    if faults:
        raise typer.Exit(2)
    if not as_json:
        typer.echo(f"{n_results} result{'' if n_results == 1 else 's'}: schema, hashes and numbers in order.")
