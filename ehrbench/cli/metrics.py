"""``ehrbench metrics``: which metrics there are and which of them this machine can compute."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="metrics", help="List metrics, and set up the environment of those that need their own.", no_args_is_help=True
)


@app.callback()
def _metrics() -> None:
    pass


@app.command("list")
def list_metrics(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every metric: its range, what it needs, whether it is available here, and its signature."""
    from ehrbench.terminal.output import print_json, print_table

    rows = [_describe(name) for name in _names()]
    if as_json:
        print_json(rows)
        return
    header = ["name", "label", "range", "needs", "available", "signature"]
    print_table(header, [_cells(row) for row in rows])
    for row in rows:
        if row["unavailable"]:
            typer.echo(f"{row['name']}: {row['unavailable']}")


@app.command("setup")
def setup(
    name: Annotated[str, typer.Argument(help="Name of the environment: comet, which serves COMET, BLEURT, LENS and UniEval.")],
    python: Annotated[
        str, typer.Option(help="Python interpreter to use, version 3.10 to 3.12. [default: the one that runs ehrbench]")
    ] = sys.executable,
    index_url: Annotated[str | None, typer.Option(help="Passed on to pip.")] = None,
    extra_index_url: Annotated[list[str] | None, typer.Option(help="Passed on to pip; repeatable.")] = None,
    find_links: Annotated[list[str] | None, typer.Option(help="Passed on to pip; repeatable.")] = None,
    no_index: Annotated[bool, typer.Option("--no-index", help="Passed on to pip.")] = False,
    requirement: Annotated[
        list[str] | None,
        typer.Option("--with", help="Requirement that replaces ours of the same name, as torch==2.13.0; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make the environment again if it exists.")] = False,
) -> None:
    """Make the environment of the metrics that cannot be installed beside ehrbench's own packages."""
    from ehrbench.errors import UsageError
    from ehrbench.neural.environment import environment
    from ehrbench.neural.setup import Sources, make_environment
    from ehrbench.terminal.output import print_table

    if name != "comet":
        raise UsageError(f"'{name}' is not an environment that can be set up; expected comet")
    sources = Sources(index_url, extra_index_url or (), find_links or (), no_index)
    make_environment(environment(), python, sources, instead=requirement or (), force=force, say=typer.echo)
    rows = [_describe(one) for one in _names() if one.startswith(("comet", "bleurt", "lens", "unieval"))]
    print_table(["metric", "available", ""], [[r["name"], "yes" if r["available"] else "no", r["unavailable"]] for r in rows])


def _names() -> list[str]:
    from ehrbench.metrics import METRICS

    return list(METRICS)


def _describe(name: str) -> dict[str, Any]:
    from ehrbench.errors import UsageError
    from ehrbench.metrics import METRICS
    from ehrbench.scoring.score import resolve

    try:
        metric = resolve(name)
        missing = metric.unavailable()
    except UsageError as error:  # a variable of the environment has an illegal value
        metric, missing = METRICS.get(name), str(error)
    return {
        "name": metric.name,
        "label": metric.label,
        "about": metric.about,
        "cite": metric.cite,
        "version": metric.version,
        "kind": metric.kind,
        "range": list(metric.range),
        "higher_is_better": metric.higher_is_better,
        "needs": sorted(metric.needs),
        "aggregate": metric.aggregate,
        "available": missing is None,
        "unavailable": missing,
        "signature": _signature(metric),
        "note": metric.note,
    }


def _signature(metric: Any) -> str | None:
    """The signature; None where a library it names is not installed."""
    from importlib.metadata import PackageNotFoundError

    try:
        return str(metric.signature())
    except PackageNotFoundError:
        return None


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = row["range"]
    span = f"{low:g} to {high:g}" + ("" if row["higher_is_better"] else ", lower is better")
    return [row["name"], row["label"], span, ", ".join(row["needs"]), "yes" if row["available"] else "no", row["signature"] or ""]
