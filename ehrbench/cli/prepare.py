"""``ehrbench data prepare``: build a benchmark's files from the user's own copies of their sources; suites add the commands."""

from __future__ import annotations

import typer

from ehrbench.cli.suite_commands import suite_group

app = typer.Typer(
    help="Build a benchmark's files from your own copies of MIMIC-IV and other sources.",
    no_args_is_help=True,
    cls=suite_group("data prepare"),
)


@app.callback()
def _prepare() -> None:
    pass
