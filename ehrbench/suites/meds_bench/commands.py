"""``ehrbench data prepare meds_bench`` and ``ehrbench results export-meds-bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ehrbench.terminal.prepare_options import (
    AsJson,
    out_option,
    say,
    target_folder,
)


def prepare_withdrawn(
    radiology: Annotated[
        Path | None, typer.Option(help="File radiology.csv.gz of MIMIC-IV-Note, for the CT, MRI and ultrasound tasks.")
    ] = None,
    cxr: Annotated[Path | None, typer.Option(help="Reports of MIMIC-CXR: the folder or the zip file.")] = None,
    ed: Annotated[Path | None, typer.Option(help="File master_dataset.csv that nliulab/mimic4ed-benchmark makes.")] = None,
    mednli: Annotated[Path | None, typer.Option(help="Folder of MedNLI.")] = None,
    meqsum: Annotated[Path | None, typer.Option(help="Workbook of MeQSum, or a table with the columns CHQ and Summary.")] = None,
    rct: Annotated[
        Path | None, typer.Option(help="Table with the columns abstract and conclusion (.csv, .tsv, .jsonl, .xlsx).")
    ] = None,
    out: Annotated[Path | None, out_option("meds_bench")] = None,
    seed: Annotated[int, typer.Option(help="Seed for drawing rows.")] = 0,
    rules: Annotated[
        str, typer.Option(help="Rules: clean, or paper (any 'ct' in the name of an examination makes it a CT).")
    ] = "clean",
    as_json: AsJson = False,
) -> None:
    """Build MedS-Bench's withdrawn files: radiology summaries, emergency outcomes, entailment, questions, trial conclusions.

    The same sources and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from ehrbench.errors import UsageError
    from ehrbench.suites.meds_bench.build import Sources, prepare
    from ehrbench.terminal.output import print_json, print_table

    if rules not in ("clean", "paper"):
        raise UsageError(f"--rules is '{rules}': expected clean, paper")
    target = target_folder(out, "meds_bench")
    sources = Sources(radiology, cxr, ed, mednli, meqsum, rct)
    built = prepare(sources, target, seed=seed, rules="paper" if rules == "paper" else "clean", say=say(as_json))
    if as_json:
        print_json([{**one._asdict(), "path": str(one.path) if one.path else None} for one in built])
        return
    print_table(("file", "instances", "eligible"), [(one.place, one.n, one.n_eligible) for one in built], numbers=(1, 2))
    for one in built:
        if one.n < one.wanted:
            typer.echo(f"note: {one.place}: {one.n} of {one.wanted} instances wanted", err=True)
    typer.echo(str(target / "prepared"))


def export_meds_bench(
    runs: Annotated[list[Path], typer.Argument(help="Finished MedS-Bench runs of one model, or folders above them.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; the files quote prompts, golds and answers.")] = Path(
        "meds-bench-submission"
    ),
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a leaderboard submission: one CSV per category, with the columns task_id, input, GT and output."""
    from ehrbench.scoring.loaded import find_runs, load_run
    from ehrbench.suites.meds_bench.submission.export import export_runs
    from ehrbench.terminal.output import print_json

    written = export_runs([load_run(folder, data_dir) for folder in find_runs(runs)], out)
    if as_json:
        print_json([{"file": str(one.path), "rows": one.n_rows, "credentialed": one.credentialed} for one in written])
        return
    for one in written:
        typer.echo(f"{one.path}: {one.n_rows} rows")
    if any(one.credentialed for one in written):
        typer.echo(
            "note: some files hold text of credentialed data; send them nowhere that your agreement does not allow", err=True
        )
