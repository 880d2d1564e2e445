"""``ehrbench subgroups``: scores by sex, race, ethnicity or whatever a table says of the patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def subgroups(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders above them.")],
    by: Annotated[
        str,
        typer.Option(help="What patients are grouped by: sex, race or ethnicity, a key of the items, or a column of --table."),
    ],
    table: Annotated[
        Path | None,
        typer.Option(help="Table of patients (CSV, TSV, Excel): a column patient or subject_id, and the column --by."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Metric to show. [default: the primary metric of each task]")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show each score by group of patients, and how far a group is from all others, with intervals.

    What is printed is for this machine: groups of a few patients are not for publication.
    """
    from ehrbench.correlation.subgroups import subgroups as compute
    from ehrbench.scoring.score import MIN_STRATUM_GROUPS
    from ehrbench.terminal.numbers import decimal, ends
    from ehrbench.terminal.output import print_cautions, print_json, print_table

    found = compute(runs, by, table, metric=metric, data_dir=data_dir)
    if as_json:
        print_json(
            [
                {**one._asdict(), "groups": [{**group._asdict(), "score": group.score._asdict()} for group in one.groups]}
                for one in found
            ]
        )
        return
    rows = [
        (
            *(one.task, one.model, group.value, group.items, group.patients, decimal(group.score.value), ends(group.score)),
            *("" if group.difference is None else f"{group.difference:+.3f}", ends(group)),
        )
        for one in found
        for group in one.groups
    ]
    labels = " or ".join(dict.fromkeys(one.label for one in found))
    header = ("task", "model", by, "items", "patients", labels, "95 % interval", "less the others", "95 % interval")
    print_table(header, rows, numbers=range(3, 9))
    print_cautions((f"{one.task}, {group.value}", group.score.caution) for one in found for group in one.groups)
    if any(group.patients < MIN_STRATUM_GROUPS for one in found for group in one.groups):
        typer.echo(f"groups of fewer than {MIN_STRATUM_GROUPS} patients are not for publication")
    typer.echo("Groups differ in more than their name: in illness, in length of record, in what was asked.")
