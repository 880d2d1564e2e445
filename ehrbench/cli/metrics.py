"""``ehrbench metrics``: which metrics there are and which of them this machine can compute."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(name="metrics", help="The metrics.", no_args_is_help=True)


@app.callback()
def _metrics() -> None:
    pass


@app.command("list")
def list_metrics(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every metric: its range, what it needs, whether it is available here, and its signature."""
    from ehrbench.cli.output import print_json, print_table

    rows = [_describe(name) for name in _names()]
    if as_json:
        print_json(rows)
        return
    header = ["name", "label", "range", "needs", "available", "signature"]
    print_table(header, [_cells(row) for row in rows])
    for row in rows:
        if row["unavailable"]:
            typer.echo(f"{row['name']}: {row['unavailable']}")


def _names() -> list[str]:
    from ehrbench.metrics import METRICS

    return list(METRICS)


def _describe(name: str) -> dict[str, Any]:
    from ehrbench.scoring.score import resolve

    metric = resolve(name)
    missing = metric.unavailable()
    return {
        "name": metric.name,
        "label": metric.label,
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
