"""The command line: one module per command, each parsing, calling and printing; no rule of a benchmark lives here."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from ehrbench.cli.commands import command_of
from ehrbench.cli.logs import start_logging

_GROUPS: dict[str, dict[str, str]] = {
    "Run": {
        "demo": "ehrbench.cli.demo:demo",
        "run": "ehrbench.cli.run:Run",
        "study": "ehrbench.cli.study:app",
        "requests": "ehrbench.cli.requests:Requests",
        "ingest": "ehrbench.cli.ingest:Ingest",
        "merge": "ehrbench.cli.merge:merge",
        "score": "ehrbench.cli.score:score",
        "judge": "ehrbench.cli.judge:judge",
    },
    "Look at items": {
        "view": "ehrbench.cli.view:view",
        "inspect": "ehrbench.cli.inspect:inspect",
    },
    "Compare runs": {
        "compare": "ehrbench.cli.compare:compare",
        "sweep": "ehrbench.cli.sweep:sweep",
        "subgroups": "ehrbench.cli.subgroups:subgroups",
        "bootstrap": "ehrbench.cli.bootstrap:bootstrap",
    },
    "Clinicians and metrics": {
        "rate": "ehrbench.cli.rate:app",
        "human-stats": "ehrbench.cli.human_stats:human_stats",
        "correlate": "ehrbench.cli.correlate:correlate",
        "agreement": "ehrbench.cli.agreement:agreement",
    },
    "Publish": {
        "verify": "ehrbench.cli.verify:verify",
        "leaderboard": "ehrbench.cli.leaderboard:app",
        "submit": "ehrbench.cli.submit:submit",
        "export": "ehrbench.cli.export:export",
        "import": "ehrbench.cli.import_results:import_results",
        "results": "ehrbench.cli.results:app",
    },
    "Data, tasks, models": {
        "data": "ehrbench.cli.data:app",
        "tasks": "ehrbench.cli.tasks:app",
        "models": "ehrbench.cli.models:app",
        "metrics": "ehrbench.cli.metrics:app",
        "approve": "ehrbench.cli.approve:approve",
    },
}
"""Where each command is, in the order of the help; imported when it is asked for, for all of them cost as much as a short run."""
_COMMANDS = {name: place for group in _GROUPS.values() for name, place in group.items()}


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, group in _GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self.get_command(ctx, name).get_short_help_str(limit=160)) for name in group])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for name in [cmd_name] if cmd_name in _COMMANDS else _COMMANDS:  # all where none is of that name: one may be meant
            if name not in self.commands:
                module, _, attribute = _COMMANDS[name].partition(":")
                self.commands[name] = command_of(name, getattr(import_module(module), attribute))
        return self.commands.get(cmd_name)


app = typer.Typer(
    name="ehrbench",
    help="Evaluate language models on health records: the papers' protocols, with intervals, provenance and privacy.",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    from ehrbench.cli.endings import ending_of
    from ehrbench.errors import BUG_EXIT_CODE, INTERRUPTED_EXIT_CODE, EhrbenchError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an answer may hold what a terminal cannot show, such as half a surrogate pair
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except (EhrbenchError, OSError) as error:
        ending = ending_of(error)
        typer.echo(f"ehrbench: {ending.said}", err=True)
        sys.exit(ending.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("ehrbench: interrupted; what is finished is kept; the same command continues from there", err=True)
        sys.exit(INTERRUPTED_EXIT_CODE)
    except SystemExit:
        raise
    except BaseException as error:  # a panic of polars is not an Exception, and its text may quote a value, too
        _report_bug(error)
        sys.exit(BUG_EXIT_CODE)


def _report_bug(error: BaseException) -> None:
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
