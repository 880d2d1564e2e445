"""``ehrbench data``: which tasks' data are here, and the synthetic samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ehrbench.cli import curate, prepare
from ehrbench.cli.build_questions import build_questions
from ehrbench.cli.counts import counts
from ehrbench.cli.suite_commands import suite_group

app = typer.Typer(
    help="Say which data are here, fetch open data, build benchmarks from your own copies, and write synthetic samples.",
    no_args_is_help=True,
    cls=suite_group("data"),
)
app.add_typer(prepare.app, name="prepare")
app.command("dedupe")(curate.dedupe)
app.command("match")(curate.match)
app.command("match-review")(curate.match_review)
app.command("lengths")(curate.lengths)
app.command("counts")(counts)
app.command("build-questions")(build_questions)


@app.callback()
def _data() -> None:
    pass


@app.command("status")
def status(
    tasks: Annotated[str | None, typer.Argument(help="Tasks, groups or globs, separated by commas. [default: all]")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases, or 'sample'. [default: $EHRBENCH_DATA or ./data]")
    ] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    read: Annotated[bool, typer.Option("--read", help="Also open the data that are here and count the items.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say, task by task, whether its data are here and where to get them.

    Exit code 3 when data are missing, 2 when --read finds some that cannot be read.
    """
    from ehrbench.errors import MissingError, UsageError
    from ehrbench.readers.data_status import data_status
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json, print_table

    catalog = load_catalog(include_path or ())
    states = data_status(catalog.select(tasks) if tasks else catalog.tasks(), data_dir, read=read)
    if as_json:
        print_json([state.as_dict() for state in states])
    else:
        header = ("task", "data", "items", "folder, or what to do")
        rows = [(s.task, s.state, s.n_items, s.folder if s.state == "here" else s.problem) for s in states]
        print_table(header, rows, numbers=(2,))
        if not read and any(state.state == "here" for state in states):
            typer.echo("note: 'here' goes by the files' names; --read opens them and counts the items", err=True)
        for state in states:
            if state.coverage:
                typer.echo(f"{state.task}: {state.coverage}")
        for warning in dict.fromkeys(warning for state in states for warning in state.warnings):
            typer.echo(f"note: {warning}", err=True)
    if any(state.state == "unreadable" for state in states):
        raise typer.Exit(UsageError.exit_code)
    if any(state.state == "missing" for state in states):
        raise typer.Exit(MissingError.exit_code)


@app.command("fetch")
def fetch(
    suite: Annotated[str, typer.Argument(help="Suite to fetch; only those with open files on a hub.")],
    tasks: Annotated[
        str | None, typer.Option(help="Tasks, groups or globs, separated by commas. [default: all of the suite]")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: $EHRBENCH_DATA or ./data]")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Fetch the whole release in place of the sample that the paper scored.")
    ] = False,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit to fetch from the hub.")] = "main",
    force: Annotated[bool, typer.Option("--force", help="Download again what is already there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download the open files of a suite from the hub ($HF_ENDPOINT, or huggingface.co). Nothing credentialed is fetched.

    Exit code 3 when the hub cannot be reached or lacks a file.
    """
    from ehrbench.errors import MissingError, UsageError
    from ehrbench.readers.data_dir import chosen_data_dir, is_folder
    from ehrbench.readers.fetch import FETCHERS
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json

    fetch_tasks = FETCHERS.get(suite)
    if not is_folder(data_dir):
        raise UsageError(f"--data-dir is '{chosen_data_dir(data_dir)}', which is not a folder to write to; name one")
    chosen = load_catalog().select(tasks or suite)
    if foreign := [task.task for task in chosen if suite not in task.groups()]:
        raise UsageError(f"--tasks names {foreign[0]}, which is not of {suite}")
    public = [task for task in chosen if task.data.policy == "open" and task.facts.get("on_hub")]
    say = (lambda _: None) if as_json else (lambda name: typer.echo(f"… {name}", err=True))
    folder = Path(chosen_data_dir(data_dir)).expanduser() / suite
    done = fetch_tasks([task.data.options for task in public], folder, full=full, revision=revision, force=force, say=say)
    if as_json:
        print_json({**done._asdict(), "folder": str(done.folder), "not_public": len(chosen) - len(public)})
    else:
        typer.echo(
            f"{len(done.placed)} files placed in {done.folder}, {len(done.there_already)} were there (commit {done.commit[:12]})"
        )
        if left := len(chosen) - len(public):
            typer.echo(f"{left} of {len(chosen)} tasks are not public; `ehrbench data status {suite}` says how to build them")
        for name in done.not_on_the_hub:
            typer.echo(f"ehrbench: {name} is not on the hub", err=True)
    if done.not_on_the_hub:
        raise typer.Exit(MissingError.exit_code)


@app.command("sample")
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; each suite gets a folder of its own in it.")],
    suite: Annotated[list[str] | None, typer.Option(help="Suite to write; repeatable. [default: all]")] = None,
) -> None:
    """Write the synthetic samples, in the layouts of the releases, for a look at them or for a test of one's own.

    To run tasks on them no copy is needed: --data-dir sample.
    """
    from ehrbench.readers.samples import SAMPLES, write_sample

    for name in suite or list(SAMPLES):
        typer.echo(str(write_sample(name, folder / name)))
