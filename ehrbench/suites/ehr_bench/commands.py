"""``ehrbench data prepare ehr_bench``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ehrbench.terminal.prepare_options import (
    AsJson,
    EdFolder,
    MimicFolder,
    NotesFolder,
    SplitFile,
    licence,
    out_option,
    release,
    say,
    say_repeated,
    target_folder,
)


class BuildProfile(str, Enum):
    """How EHR-Bench is built."""

    ref = "ref"
    fixed = "fixed"
    clean = "clean"


class Layout(str, Enum):
    """Which of the two releases' forms is written."""

    jsonl = "jsonl"
    parquet = "parquet"


def prepare_release(
    mimic: MimicFolder,
    ed: EdFolder = None,
    notes: NotesFolder = None,
    out: Annotated[Path | None, out_option("ehr_bench")] = None,
    profile: Annotated[
        BuildProfile,
        typer.Option(
            help="Procedure: clean (no leaks), ref (as released) or fixed (ref, with rows without a time and codes corrected)."
        ),
    ] = BuildProfile.clean,
    seed: Annotated[int, typer.Option(help="Seed for drawing samples and for the split.")] = 0,
    per_task: Annotated[int, typer.Option(min=2, help="Maximum rows per task.")] = 500,
    layout: Annotated[
        Layout, typer.Option(help="Layout of the output: serialised rows, or files of patients with index tables.")
    ] = Layout.jsonl,
    test_share: Annotated[
        float | None,
        typer.Option(help="Share of the patients to ask about; rows about the others are written for training. [default: all]"),
    ] = None,
    split: SplitFile = None,
    train_rows: Annotated[int, typer.Option(min=2, help="Maximum training rows per task.")] = 500,
    ccs: Annotated[
        Path | None,
        typer.Option(help="Folder of AHRQ's CCS files, for the CCS tasks; or of d_ccs_diagnoses.csv and d_ccs_procedures.csv."),
    ] = None,
    atc: Annotated[Path | None, typer.Option(help="CSV of NDC codes and ATC names (ndc_code, atc_name).")] = None,
    as_json: AsJson = False,
) -> None:
    """Build EHR-Bench: serialised rows of the decision-making and the risk-prediction tasks, and their index files.

    The same release, options and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from dataclasses import asdict

    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.ehr_bench.build.maps import Maps
    from ehrbench.suites.ehr_bench.build.prepare import Options, prepare
    from ehrbench.terminal.output import print_json, print_table

    target = target_folder(out, "ehr_bench")
    tables = Mimic(release(mimic), ed=ed, note=notes)
    options = Options(profile.value, seed, per_task, layout.value, test_share, split, train_rows)
    summary = prepare(tables, target, options, Maps(ccs, atc), say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    rows = [(t, n, summary.kept[t], summary.written[t], summary.positives.get(t)) for t, n in summary.raw.items()]
    print_table(("task", "samples", "kept", "written", "yes"), rows, numbers=(1, 2, 3, 4))
    typer.echo(
        f"{summary.patients:,} patients, {summary.events:,} events; {summary.long_records:,} patients left out for long records"
    )
    if summary.splits:
        parts = ", ".join(f"{name} {n:,}" for name, n in summary.splits.items())
        typer.echo(f"patients: {parts}; {sum(summary.training.values()):,} rows to train on")
    say_repeated(summary.repeated)
    for sentence in summary.skipped:
        typer.echo(f"note: {sentence}", err=True)
    typer.echo(f"{target} ({licence(summary.open_data)})")
