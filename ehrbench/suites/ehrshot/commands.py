"""``ehrbench data prepare ehrshot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ehrbench.terminal.prepare_options import AsJson, out_option, say, target_folder


def prepare_ehrshot(
    assets: Annotated[Path, typer.Option(help="Folder EHRSHOT_ASSETS of the release, unpacked.")],
    concepts: Annotated[Path | None, typer.Option(help="OMOP's CONCEPT.csv, from Athena: the names of the codes.")] = None,
    out: Annotated[Path | None, out_option("ehrshot")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn EHRSHOT's CSV files into MEDS: events, labels and the canonical split.

    The MEDS release needs no preparation. The folder is readable by you alone and ignored by git.
    """
    from dataclasses import asdict

    from ehrbench.suites.ehrshot.prepare import prepare
    from ehrbench.terminal.output import print_json, print_table

    target = target_folder(out, "ehrshot")
    summary = prepare(assets, target, concepts, say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    print_table(("task", "labels"), list(summary.labels.items()), numbers=(1,))
    typer.echo(
        f"{summary.patients:,} patients, {summary.events:,} events, {summary.named_codes:,} of {summary.codes:,} codes named"
    )
    if summary.named_codes < summary.codes:
        typer.echo("note: codes without a name are shown as they are; --concepts names them", err=True)
    typer.echo(str(target))
