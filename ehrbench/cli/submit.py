"""``ehrbench submit``: pack the public part of finished runs into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def submit(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs (OUT/<model>/<task>/<hash>).")],
    out: Annotated[Optional[Path], typer.Option("--out", help="File ending in .results.json, or a folder.")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pack the numbers of finished runs into one file that can be dropped into another results folder."""
    from ehrbench.results.submission import pack
    from ehrbench.terminal.output import print_json

    path = pack(runs, out)
    if as_json:
        print_json({"file": str(path), "runs": len(runs)})
    else:
        typer.echo(f"{path}: {len(runs)} result{'s' if len(runs) > 1 else ''}, numbers only. Put it below a results folder.")
