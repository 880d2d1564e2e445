"""``ehrbench inspect``: look at items and answers of a run, on this machine only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    item: Annotated[list[str] | None, typer.Option(help="Id of an item to show; repeatable. [default: the first ones]")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Show only items with this outcome (answered, unparsed, overflow …).")
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of items shown.")] = 5,
    record: Annotated[bool, typer.Option("--record", help="Show the record too.")] = False,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show questions, gold answers, model answers and scores. What it prints is as private as the data."""
    from ehrbench.runs.folder import open_run
    from ehrbench.scoring.inspect import view_items
    from ehrbench.scoring.loaded import load_run
    from ehrbench.terminal.output import print_json

    views = view_items(load_run(open_run(run), data_dir), item or None, outcome, limit, record, data_dir)
    if as_json:
        print_json(views)
        return
    for view in views:
        typer.echo(f"── {view['item']} · {view['outcome']} · {view['scores']}")
        if record and view.get("record"):
            typer.echo(f"RECORD\n{view['record']}")
        typer.echo(f"QUESTION  {view['question']}")
        for reference in view["references"]:
            typer.echo(f"GOLD      {reference}")
        typer.echo(f"ANSWER    {view['answer']}\n")
