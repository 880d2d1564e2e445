"""``ehrbench bootstrap``: mean and standard deviation over resamples of the test set, as some papers print them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def bootstrap(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders above them.")],
    metric: Annotated[str | None, typer.Option(help="Metric to show. [default: the primary metric of each task]")] = None,
    resamples: Annotated[int, typer.Option(min=2, help="Number of draws of the test set.")] = 1000,
    unit: Annotated[
        Literal["records", "patients", "items"],
        typer.Option(
            help="What is drawn with replacement: records with all their items, patients with all theirs, or single items."
        ),
    ] = "records",
    seed: Annotated[int, typer.Option(help="Seed for the draws.")] = 0,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the mean and standard deviation of each score over resamples of its test set, beside its own interval.

    This is how Table 5 of the MIMIC-Instr paper is printed. The interval says more: it takes each patient whole.
    """
    from ehrbench.correlation.resampled import resampled_runs
    from ehrbench.terminal.numbers import decimal, ends
    from ehrbench.terminal.output import print_cautions, print_json, print_table

    found = resampled_runs(runs, metric, unit=unit, resamples=resamples, seed=seed, data_dir=data_dir)
    if as_json:
        facts = {"resamples": resamples, "unit": unit, "seed": seed}
        print_json([{**one._asdict(), "metric": one.metric.model_dump(mode="json"), **facts} for one in found])
        return
    rows = [
        (
            *(one.task, one.model, one.protocol, one.metric.label, decimal(one.metric.value), ends(one.metric)),
            "" if one.mean is None or one.sd is None else f"{one.mean:.3f} ({one.sd:.3f})",
            one.units,
        )
        for one in found
    ]
    print_table(("task", "model", "protocol", "metric", "value", "95 % interval", "mean (SD)", unit), rows, numbers=(4, 5, 6, 7))
    typer.echo(f"\nmean (SD): of {resamples} draws of the {unit} with replacement")
    for one in found:
        if one.undefined:
            typer.echo(f"{one.task}, {one.model}: {one.undefined} draws have no {one.metric.label} and are left out")
    print_cautions((f"{one.task}, {one.metric.label}", one.metric.caution) for one in found)
