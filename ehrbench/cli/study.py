"""``ehrbench study``: models x tasks x settings from one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ehrbench.cli.logs import LogFile, Verbose, start_logging

if TYPE_CHECKING:
    from ehrbench.runs.dry_run import Estimate
    from ehrbench.studies.state import CellState
    from ehrbench.studies.study import Cell, Study

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print calls, tokens, cost and hours; ask no model.")] = False,
    tokens_per_second: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--tokens-per-second",
            min=0.001,
            help="With --dry-run: tokens that a model takes in and gives per second, for the hours. [default: as measured here]",
        ),
    ] = None,
    recheck: Annotated[
        bool,
        typer.Option("--recheck", help="Go through finished cells too, which asks again only what has changed."),
    ] = False,
    log_to: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Log numbers while cells are run, SERVICE[:PLACE]: mlflow, wandb or trackio. [default: the file's]"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
    as_json: _Json = False,
) -> None:
    """Run every cell that is not done. The same command again continues an interrupted study."""
    from ehrbench.errors import INCOMPLETE_EXIT_CODE, UsageError
    from ehrbench.studies.study import Study
    from ehrbench.terminal.progress import Display

    start_logging(verbose, log_file)
    study = Study.load(file, data_dir=data_dir, out=out).with_loggers(log_to or ())
    if dry_run:
        _print_estimates(study, tokens_per_second, as_json)
        return
    if tokens_per_second is not None:
        raise UsageError("--tokens-per-second is for the hours of --dry-run; give both, or neither")
    with Display(quiet) as show:
        states = study.run(on_event=show, recheck=recheck)
    _print_states(study, states, as_json)
    if any(one.state != "done" for one in states):
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


@app.command("status")
def status_command(
    file: _File,
    data_dir: _DataDir = None,
    out: _Out = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh the table until every cell has ended; Ctrl-C leaves the study alone.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks of --watch.")] = 2.0,
    as_json: _Json = False,
) -> None:
    """Show where each cell of a study is, also while it runs elsewhere."""
    from ehrbench.studies.study import Study

    study = Study.load(file, data_dir=data_dir, out=out)
    if watch and not as_json:
        _watch(study, every)
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


_ENDED = ("done", "incomplete", "waiting", "failed")
_HEADER = ("model", "task", "settings", "judge", "state")


def _row(one: CellState) -> tuple[str, ...]:
    from ehrbench.studies.study import settings_text

    done = one.n_finished
    state = one.state if done is None else f"{one.state}, {done} of {one.n_items} items"
    return one.model, one.task, settings_text(one.settings), one.judge, state


def _watch(study: Study, every: float) -> None:
    """Show the states again and again: in place on a terminal, else those that have changed."""
    import sys
    import time

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from ehrbench.terminal.tables import table_lines, terminal_width

    shown: dict[str, tuple[str, ...]] = {}
    live = Live(console=Console(highlight=False), auto_refresh=False, transient=True) if sys.stdout.isatty() else None
    try:
        with live or nullcontext():
            while True:
                states = study.status()
                rows = {one.id: _row(one) for one in states}
                if live is not None:
                    lines = table_lines(_HEADER, list(rows.values()), width=terminal_width())
                    live.update(Text("\n".join([*lines, "", _counted(states)])), refresh=True)
                else:
                    for key, row in rows.items():
                        if shown.get(key) != row:
                            typer.echo(f"{time.strftime('%H:%M:%S')}  {', '.join(filter(None, row))}")
                shown = rows
                if all(one.state in _ENDED for one in states):
                    return
                time.sleep(every)
    except KeyboardInterrupt:
        return


def _counted(states: Sequence[CellState]) -> str:
    counts = Counter(one.state for one in states)
    return f"{len(states)} cells: {', '.join(f'{n} {state}' for state, n in counts.items())}"


def _print_states(study: Study, states: Sequence[CellState], as_json: bool) -> None:
    from ehrbench.studies.study import settings_text
    from ehrbench.terminal.output import print_json, print_table

    if as_json:
        print_json({"study": study.spec.study, "out": str(study.out), "cells": [one.plain() for one in states]})
        return
    print_table(_HEADER, [_row(one) for one in states])
    for one in states:
        if one.said:
            place = ", ".join(filter(None, (one.model, one.task, settings_text(one.settings), one.judge)))
            typer.echo(f"{place}: {one.state}: {one.said}", err=True)
    typer.echo(f"\n{_counted(states)}; {study.out}")


def _print_estimates(study: Study, tokens_per_second: float | None, as_json: bool) -> None:
    from ehrbench.cli.report import print_loggers
    from ehrbench.runs.dry_run import total_of
    from ehrbench.studies.pace import measured, seconds_of
    from ehrbench.terminal.output import print_json, print_table

    found = study.estimate()
    seconds = seconds_of(found, measured(study), tokens_per_second)
    hours = None if None in seconds else sum(one or 0 for one in seconds) / 3600
    sized = [one for _, one in found if not isinstance(one, str)]
    unsaid = [(cell, one) for cell, one in found if isinstance(one, str)]
    total = total_of(sized)
    if unsaid:  # what these cost is not known
        total = total._replace(cost=None)
    if as_json:
        cells = [
            {**cell._asdict(), **({"error": one} if isinstance(one, str) else {"estimate": one._asdict()}), "seconds": time}
            for (cell, one), time in zip(found, seconds, strict=True)
        ]
        more = {"log_to": [str(one) for one in study.loggers]} if study.loggers else {}
        print_json({"cells": cells, "total": {"cells": len(found), **total._asdict(), "hours": hours}, **more})
        return
    rows = [
        (cell.model, cell.task, cell.said, one.items, f"{one.calls:,}", f"{one.prompt_tokens:,}", f"{one.answer_tokens:,}")
        + ("unknown" if one.cost is None else f"{one.cost:.2f}", "unknown" if time is None else f"{time / 3600:.2f}")
        for (cell, one), time in zip(found, seconds, strict=True)
        if not isinstance(one, str)
    ]
    header = ("model", "task", "settings", "items", "calls", "prompt tokens", "answer tokens", "US$", "hours")
    print_table(header, rows, numbers=(3, 4, 5, 6, 7, 8))
    for cell, why in unsaid:
        typer.echo(f"{cell.model}, {cell.task}, {cell.said}: {why}", err=True)
    typer.echo(
        f"\n{len(sized)} of {len(found)} cells: {total.items:,} items, {total.calls:,} calls; {total.prompt_tokens:,} "
        f"prompt tokens; at most {total.answer_tokens:,} answer tokens; "
        + (f"about ${total.cost:.2f}" if total.cost is not None else "cost unknown: not every model has a price")
    )
    typer.echo(_hours_line(found, seconds, tokens_per_second))
    print_loggers(study.loggers)
    if study.spec.judges:
        typer.echo("Judges come on top: they see answers that are not there yet.")


def _hours_line(
    found: Sequence[tuple[Cell, Estimate | str]], seconds: Sequence[float | None], tokens_per_second: float | None
) -> str:
    known = sum(one for one in seconds if one is not None)
    lacking = dict.fromkeys(
        cell.model for (cell, size), one in zip(found, seconds, strict=True) if one is None and not isinstance(size, str)
    )
    how = (
        "as fast as cells of this study were answered"
        if tokens_per_second is None
        else f"at {tokens_per_second:,g} tokens per second"
    )
    said = f"about {known / 3600:.2f} hours, {how}" if any(one is not None for one in seconds) else "hours unknown"
    if lacking:
        said += f"; no cell of {', '.join(lacking)} has been run here yet, so give --tokens-per-second, or run one"
    return said
