"""``ehrbench export``: results in other people's formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or of results below which all are taken.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="Format: csv, parquet, every-eval-ever, inspect, lm-eval, mlflow, model-index; or meds: one run's predictions.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make; for meds, a Parquet file.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    reviewed_by: Annotated[
        str | None, typer.Option(help="Who has read every text of the results, where data of credentialed tasks are not here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write results in the form that another tool reads. Results of credentialed data pass the publish check first."""
    from ehrbench.exports.checked import checked_results
    from ehrbench.exports.formats import export as export_results
    from ehrbench.terminal.output import print_json

    if to == "meds":
        _predictions(runs, out, data_dir, force, as_json)
        return
    results, said = checked_results(runs, data_dir, reviewed_by)
    if to == "mlflow":
        from ehrbench.exports.mlflow import export_runs

        files = [export_runs(results, out, force=force)]
    else:
        files = export_results(results, to, out, force=force)
    if as_json:
        print_json({"files": [str(path) for path in files], "results": len(results), "said": said})
        return
    for sentence in said:
        typer.echo(sentence, err=True)
    typer.echo(
        f"{len(results)} result{'' if len(results) == 1 else 's'} in {len(files)} file{'' if len(files) == 1 else 's'}: {out}"
    )


def _predictions(runs: list[Path], out: Path, data_dir: Path | None, force: bool, as_json: bool) -> None:
    from ehrbench.errors import UsageError
    from ehrbench.exports.meds import export_predictions
    from ehrbench.runs.folder import open_run
    from ehrbench.scoring.loaded import load_run
    from ehrbench.terminal.output import print_json

    if len(runs) != 1:
        raise UsageError(f"--to meds writes the predictions of one run; {len(runs)} were named")
    done = export_predictions(load_run(open_run(runs[0]), str(data_dir) if data_dir else None), out, force=force)
    if as_json:
        print_json(
            {
                "file": str(done.path),
                "rows": done.n,
                "unanswered": done.n_unanswered,
                "per_item": done.per_item,
                "per_subject": done.per_subject,
            }
        )
        return
    left_out = f" {done.n_unanswered} items without a probability are not in it." if done.n_unanswered else ""
    typer.echo(f"{done.n} predictions: {done.path}. It names subjects and times: as private as the data.{left_out}")
    for name, value in done.per_item.items():
        weighted = done.per_subject.get(name)
        typer.echo(f"  {name}: {value:.4f} by item" + ("" if weighted is None else f", {weighted:.4f} by subject"))
