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
    radiology: Annotated[Path | None, typer.Option(help="radiology.csv.gz of MIMIC-IV-Note: CT, MRI, ultrasound.")] = None,
    cxr: Annotated[Path | None, typer.Option(help="MIMIC-CXR's reports: the folder or the zip.")] = None,
    ed: Annotated[Path | None, typer.Option(help="master_dataset.csv of nliulab/mimic4ed-benchmark.")] = None,
    mednli: Annotated[Path | None, typer.Option(help="MedNLI's folder.")] = None,
    meqsum: Annotated[Path | None, typer.Option(help="MeQSum's workbook, or a table with CHQ and Summary.")] = None,
    rct: Annotated[Path | None, typer.Option(help="A table with abstract and conclusion (.csv, .tsv, .jsonl, .xlsx).")] = None,
    out: Annotated[Path | None, out_option("meds_bench")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    rules: Annotated[str, typer.Option(help="clean, or paper: any 'ct' in an examination's name makes it a CT.")] = "clean",
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
    data_dir: Annotated[str | None, typer.Option(help="Where the data are. [default: where they were]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a leaderboard submission: one CSV a category, with task_id,input,GT,output."""
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
