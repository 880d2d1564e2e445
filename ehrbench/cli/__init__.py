"""The command line: one module a command, each parsing, calling and printing; no rule of a benchmark lives here."""

from __future__ import annotations

import io
import sys

import typer

from ehrbench.cli import (
    agreement,
    approve,
    batch,
    compare,
    correlate,
    data,
    demo,
    human_stats,
    inspect,
    judge,
    leaderboard,
    merge,
    metrics,
    models,
    rate,
    results,
    run,
    score,
    submit,
    tasks,
    verify,
    view,
)
from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import OptionsCommand

app = typer.Typer(
    name="ehrbench",
    help="Evaluate language models on health records: the papers' protocols, with intervals, provenance and privacy.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("run", cls=OptionsCommand)(run.Run)
app.command("requests", cls=OptionsCommand)(batch.Requests)
app.command("ingest", cls=OptionsCommand)(batch.Ingest)
app.command("merge")(merge.merge)
app.command("score")(score.score)
app.command("judge")(judge.judge)
app.command("verify")(verify.verify)
app.command("inspect")(inspect.inspect)
app.command("view")(view.view)
app.command("correlate")(correlate.correlate)
app.command("human-stats")(human_stats.human_stats)
app.command("agreement")(agreement.agreement)
app.command("compare")(compare.compare)
app.command("submit")(submit.submit)
app.command("approve")(approve.approve)
app.add_typer(rate.app, name="rate")
app.add_typer(tasks.app, name="tasks")
app.add_typer(models.app, name="models")
app.add_typer(metrics.app, name="metrics")
app.add_typer(data.app, name="data")
app.add_typer(results.app, name="results")
app.add_typer(leaderboard.app, name="leaderboard")


def _print_version(wanted: bool) -> None:
    if wanted:
        from ehrbench import __version__

        typer.echo(f"ehrbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_print_version, help="Print the version and leave."),
) -> None:
    start_logging()


def main() -> None:
    """Run a command; every ending has an exit code of ehrbench/errors.py and no message quotes a record."""
    from ehrbench.errors import INTERRUPTED_EXIT_CODE, EhrbenchError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an answer may hold what a terminal cannot show, such as half a surrogate pair
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except EhrbenchError as error:
        typer.echo(f"ehrbench: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("ehrbench: interrupted; what is finished is kept; the same command continues from there", err=True)
        sys.exit(INTERRUPTED_EXIT_CODE)
    except OSError as error:
        typer.echo(f"ehrbench: {_said_of(error)}", err=True)
        sys.exit(3 if isinstance(error, FileNotFoundError) else 2)
    except Exception as error:
        _report_bug(error)
        sys.exit(1)


def _said_of(error: OSError) -> str:
    """A file that cannot be read or written is an accident of the machine's, not a bug."""
    name = str(error.filename) if error.filename is not None else "a file"
    shown = name if len(name) <= 300 else f"{name[:100]}… ({len(name)} characters)"
    reason = error.strerror or type(error).__name__
    return f"cannot use {shown}: {reason}; check the path, its permissions and the space on the disk, then run the command again"


def _report_bug(error: Exception) -> None:
    """Print where an unexpected error happened, without its message: a library may have put an item's text into it."""
    import os
    import traceback

    if os.environ.get("EHRBENCH_DEBUG"):
        traceback.print_exception(error)
        return
    for frame in traceback.extract_tb(error.__traceback__):
        typer.echo(f"  {frame.filename}:{frame.lineno} in {frame.name}", err=True)
    typer.echo(
        f"ehrbench: this is a bug: {type(error).__name__} at the place above. Its message is withheld, because it may quote a "
        "record; set EHRBENCH_DEBUG=1 to see it, and do not share it.",
        err=True,
    )
