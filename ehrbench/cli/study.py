"""``ehrbench study``: models x tasks x settings from one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ehrbench.cli.logs import LogFile, Verbose, start_logging

if TYPE_CHECKING:
    from ehrbench.studies.state import CellState
    from ehrbench.studies.study import Study

app = typer.Typer(no_args_is_help=True, help="Run models, tasks and a grid of settings from one file, and report them as tables.")

_File = Annotated[Path, typer.Argument(help="The study's YAML file (docs/studies.md).")]
_DataDir = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--data-dir", help="Folder that holds the releases, or 'sample'. [default: the file's]"),
]
_Out = Annotated[Optional[Path], typer.Option("--out", help="Folder of the study. [default: the file's]")]  # noqa: UP045
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("run")
def run_command(
    file: _File,
    data_dir: _DataDir = None,
    out: _Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print calls, tokens and cost without calling any model.")] = False,
    recheck: Annotated[
        bool,
        typer.Option("--recheck", help="Go through finished cells too, which asks again only what has changed."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
    as_json: _Json = False,
) -> None:
    """Run every cell that is not done. The same command again continues an interrupted study."""
    from ehrbench.errors import INCOMPLETE_EXIT_CODE
    from ehrbench.studies.study import Study
    from ehrbench.terminal.progress import Display

    start_logging(verbose, log_file)
    study = Study.load(file, data_dir=data_dir, out=out)
    if dry_run:
        _print_estimates(study, as_json)
        return
    with Display(quiet) as show:
        states = study.run(on_event=show, recheck=recheck)
    _print_states(study, states, as_json)
    if any(one.state != "done" for one in states):
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


@app.command("status")
def status_command(file: _File, data_dir: _DataDir = None, out: _Out = None, as_json: _Json = False) -> None:
    """Show where each cell of a study is, also while it runs elsewhere."""
    from ehrbench.studies.study import Study

    study = Study.load(file, data_dir=data_dir, out=out)
    _print_states(study, study.status(), as_json)


@app.command("report")
def report_command(
    file: _File,
    data_dir: _DataDir = None,
    out: _Out = None,
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--to", help="Folder for the report. [default: report in the study's folder]"),
    ] = None,
    reviewed_by: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--reviewed-by", help="Name of the person who has read every text of credentialed results."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Write one table per question (Markdown, LaTeX, CSV, HTML), the figures and the leaderboard."""
    from ehrbench.studies.study import Study
    from ehrbench.terminal.output import print_json, print_table

    report = Study.load(file, data_dir=data_dir, out=out).report(to, reviewed_by=reviewed_by)
    if as_json:
        tables = [
            {"name": one.name, "title": one.title, "columns": one.records[0], "rows": one.records[1]} for one in report.tables
        ]
        print_json({"files": [str(path) for path in report.files], "tables": tables, "said": list(report.said)})
        return
    for table in report.tables:
        typer.echo(f"\n{table.title}")
        print_table(table.header, table.rows, numbers=sorted(table.numbers))
        for note in table.notes:
            typer.echo(note)
    for sentence in report.said:
        typer.echo(sentence, err=True)
    typer.echo("")
    for path in report.files:
        typer.echo(path)


@app.command("schema")
def schema_command(
    of_run: Annotated[bool, typer.Option("--run", help="Print that of the files of `ehrbench run --config` instead.")] = False,
) -> None:
    """Print the JSON Schema of study files, with which an editor completes and checks them."""
    from ehrbench.cli import run_file
    from ehrbench.studies import schema
    from ehrbench.terminal.output import print_json

    print_json(run_file.json_schema() if of_run else schema.json_schema())


def _print_states(study: Study, states: Sequence[CellState], as_json: bool) -> None:
    from ehrbench.studies.study import settings_text
    from ehrbench.terminal.output import print_json, print_table

    if as_json:
        print_json({"study": study.spec.study, "out": str(study.out), "cells": [one.plain() for one in states]})
        return
    rows = [(one.model, one.task, settings_text(one.settings), one.judge, one.state) for one in states]
    print_table(("model", "task", "settings", "judge", "state"), rows)
    for one in states:
        if one.said:
            place = ", ".join(filter(None, (one.model, one.task, settings_text(one.settings), one.judge)))
            typer.echo(f"{place}: {one.state}: {one.said}", err=True)
    counts = Counter(one.state for one in states)
    typer.echo(f"\n{len(states)} cells: {', '.join(f'{n} {state}' for state, n in counts.items())}; {study.out}")


def _print_estimates(study: Study, as_json: bool) -> None:
    from ehrbench.runs.dry_run import total_of
    from ehrbench.terminal.output import print_json, print_table

    found = study.estimate()
    sized = [one for _, one in found if not isinstance(one, str)]
    unsaid = [(cell, one) for cell, one in found if isinstance(one, str)]
    total = total_of(sized)
    if unsaid:  # what these cost is not known
        total = total._replace(cost=None)
    if as_json:
        cells = [
            {**cell._asdict(), **({"error": one} if isinstance(one, str) else {"estimate": one._asdict()})} for cell, one in found
        ]
        print_json({"cells": cells, "total": {"cells": len(found), **total._asdict()}})
        return
    rows = [
        (cell.model, cell.task, cell.said, one.items, f"{one.calls:,}", f"{one.prompt_tokens:,}", f"{one.answer_tokens:,}")
        + ("unknown" if one.cost is None else f"{one.cost:.2f}",)
        for cell, one in found
        if not isinstance(one, str)
    ]
    header = ("model", "task", "settings", "items", "calls", "prompt tokens", "answer tokens", "US$")
    print_table(header, rows, numbers=(3, 4, 5, 6, 7))
    for cell, why in unsaid:
        typer.echo(f"{cell.model}, {cell.task}, {cell.said}: {why}", err=True)
    typer.echo(
        f"\n{len(sized)} of {len(found)} cells: {total.items:,} items, {total.calls:,} calls; {total.prompt_tokens:,} "
        f"prompt tokens; at most {total.answer_tokens:,} answer tokens; "
        + (f"about ${total.cost:.2f}" if total.cost is not None else "cost unknown: not every model has a price")
    )
    if study.spec.judges:
        typer.echo("Judges come on top: they see answers that are not there yet.")
