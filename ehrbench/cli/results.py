"""``ehrbench results``: look after result files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(no_args_is_help=True, help="Check result files.")


@app.callback()
def _group() -> None:
    pass


@app.command("validate")
def validate_command(
    paths: Annotated[Optional[list[Path]], typer.Argument(help="Files or folders. Default: results.")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check schema, hashes and plausibility of results; exit 2 when something is wrong."""
    from ehrbench.cli.output import print_json
    from ehrbench.results.validate import validate_paths

    n_results, faults = validate_paths(paths or [Path("results")])
    if as_json:
        print_json({"results": n_results, "faults": [fault.message for fault in faults]})
    for fault in [] if as_json else faults:
        typer.echo(fault.message)
    if faults:
        raise typer.Exit(2)
    if not as_json:
        typer.echo(f"{n_results} result{'' if n_results == 1 else 's'}: schema, hashes and numbers in order.")


@app.command("export-meds-bench")
def export_meds_bench(
    runs: Annotated[list[Path], typer.Argument(help="Finished MedS-Bench runs of one model, or folders above them.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; the files quote prompts, golds and answers.")] = Path(
        "meds-bench-submission"
    ),
    data_dir: Annotated[Optional[str], typer.Option(help="Where the data are. [default: where they were]")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a leaderboard submission: one CSV a category, with task_id,input,GT,output."""
    from ehrbench.cli.output import print_json
    from ehrbench.scoring.loaded import find_runs, load_run
    from ehrbench.suites.meds_bench.submission.export import export_runs

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
