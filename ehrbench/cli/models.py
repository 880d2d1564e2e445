"""``ehrbench models``: which backends there are and what each needs."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List model backends.", no_args_is_help=True)


@app.callback()
def _models() -> None:
    pass


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the backends, what each needs, and whether it can be used here."""
    from ehrbench.models.loading import describe_backends
    from ehrbench.terminal.output import print_json, print_table

    backends = describe_backends()
    if as_json:
        print_json([{**info._asdict(), "available": info.unavailable is None} for info in backends])
        return
    rows = [(info.spec, info.what, info.needs, info.unavailable or "yes") for info in backends]
    print_table(("--model", "what", "needs", "usable here"), rows)
