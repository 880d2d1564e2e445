"""``ehrbench tasks``: list what can be run, show one task with the origin of each value, validate task files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.completion import complete_task, complete_tasks

if TYPE_CHECKING:
    from ehrbench.tasks.schema import Protocol

app = typer.Typer(help="List, show and validate tasks.", no_args_is_help=True, rich_markup_mode=None)

IncludePath = Annotated[list[Path] | None, typer.Option("--include-path", help="Folder or file with further tasks; repeatable.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_tasks(
    tasks: Annotated[
        str, typer.Argument(help="Tasks, groups or globs, separated by commas.", autocompletion=complete_tasks)
    ] = "*",
    group: Annotated[str | None, typer.Option(help="List only tasks of this group.", autocompletion=complete_tasks)] = None,
    protocol: Annotated[str, typer.Option(help="Protocol: clean or paper.")] = "clean",
    include_path: IncludePath = None,
    as_json: AsJson = False,
) -> None:
    """List tasks with their groups, data policy, number of items and primary metric."""
    from ehrbench.errors import UsageError, unknown_name
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json, print_table

    catalog = load_catalog(include_path or ())
    names = catalog.match(tasks)
    if group is not None:
        groups = catalog.groups()
        if group not in groups:
            raise UsageError(unknown_name("group", group, groups))
        names = [name for name in names if name in groups[group]]
    wanted = _protocol(protocol)
    specs = [catalog.get(name, wanted) for name in names if protocol in catalog.raw[name].protocols()]
    if as_json:
        keys = ("task", "version", "title", "language", "metrics", "primary", "expected_items")
        rows = [
            {key: getattr(spec, key) for key in keys} | {"groups": spec.groups(), "policy": spec.data.policy, "facts": spec.facts}
            for spec in specs
        ]
        print_json(rows)
        return
    print_table(
        ("task", "title", "groups", "policy", "n", "primary"),
        [(s.task, s.title, " ".join(s.groups()), s.data.policy, s.expected_items, s.primary) for s in specs],
        numbers=(4,),
    )


@app.command("show")
def show(
    task: Annotated[str, typer.Argument(help="Name of a task.", autocompletion=complete_task)],
    protocol: Annotated[str, typer.Option(help="Protocol: clean or paper.")] = "clean",
    include_path: IncludePath = None,
    as_json: AsJson = False,
) -> None:
    """Show a task as it is run, with the file and line that each value comes from."""
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.tasks.show import dotted, resolved_lines
    from ehrbench.terminal.output import print_json

    catalog = load_catalog(include_path or ())
    spec = catalog.get(task, _protocol(protocol))
    origin = catalog.origin(task, _protocol(protocol))
    if as_json:
        print_json(
            {
                "protocol": protocol,
                "digest": spec.digest(),
                "task": spec.model_dump(mode="json"),
                "origin": {dotted(place): str(position) for place, position in origin.items()},
            }
        )
        return
    typer.echo(f"# protocol: {protocol}, digest: {spec.digest()[:12]}")
    for line in resolved_lines(spec.model_dump(mode="json"), origin):
        typer.echo(line)


@app.command("items")
def items(
    tasks: Annotated[str, typer.Argument(help="Tasks, groups or globs, separated by commas.", autocompletion=complete_tasks)],
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases, or 'sample'. [default: $EHRBENCH_DATA or ./data]")
    ] = None,
    protocol: Annotated[str, typer.Option(help="Protocol: clean or paper.")] = "clean",
    include_path: IncludePath = None,
    as_json: AsJson = False,
) -> None:
    """List the ids of the items, one per line and no text of any, as `ehrbench run --samples FILE` takes them.

    Of several tasks each line is TASK/ID.
    """
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json

    chosen = load_catalog(include_path or ()).select(tasks, _protocol(protocol))
    found = [(spec.task, item.id) for spec in chosen for item in open_dataset(spec, data_dir).items]
    if as_json:
        print_json([{"task": task, "item": item} for task, item in found])
        return
    for task, item in found:
        typer.echo(item if len(chosen) == 1 else f"{task}/{item}")


@app.command("ring")
def ring(
    tasks: Annotated[str, typer.Argument(help="Tasks, groups or globs, separated by commas.", autocompletion=complete_tasks)],
    out: Annotated[Path, typer.Option(help="SVG file to write.")],
    title: Annotated[str | None, typer.Option(help="What stands in the middle. [default: the suite's name]")] = None,
    include_path: IncludePath = None,
) -> None:
    """Draw tasks as a ring of categories, as in Figure 1 of the MedS-Bench paper."""
    from collections import defaultdict

    from ehrbench.jsonl import write_atomically
    from ehrbench.leaderboard.names import Names
    from ehrbench.leaderboard.ring import ring as draw
    from ehrbench.tasks.catalog import load_catalog

    chosen = load_catalog(include_path or ()).select(tasks)
    names = Names(include_path or ())
    categories: dict[str, list[str]] = defaultdict(list)
    for spec in chosen:
        suite, _, rest = spec.task.partition(".")
        category = spec.facts.get("category") or names.category(suite, rest.partition(".")[0])
        categories[str(category)].append(spec.title)
    write_atomically(out, draw(title or names.suite_title(chosen[0].task.partition(".")[0]), categories).encode(), mode=0o644)
    typer.echo(str(out))


@app.command("validate")
def validate(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Tasks, groups, globs or YAML files. [default: all]", autocompletion=complete_tasks)
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Also render the first items of the data in this folder, or of the sample ('sample').")
    ] = None,
    include_path: IncludePath = None,
    as_json: AsJson = False,
) -> None:
    """Check task files: schema, names, prompts and, with --data-dir, the first items. Exit code 2 when anything is wrong."""
    from ehrbench.tasks.validate import validate_tasks
    from ehrbench.terminal.output import print_json

    report = validate_tasks(tasks or (), data_dir, include_path or ())
    if as_json:
        print_json({"checked": report.checked, "problems": report.problems, "notes": report.notes})
    else:
        for note in report.notes:
            typer.echo(note)
        for problem in report.problems:
            typer.echo(problem, err=True)
        found = len(report.problems)
        checked = len(report.checked)
        typer.echo(f"{checked} task{'s' if checked != 1 else ''} checked, {found or 'no'} problem{'s' if found != 1 else ''}")
    if report.problems:
        raise typer.Exit(2)


@app.command("export-lm-eval")
def export_lm_eval(
    folder: Annotated[Path, typer.Argument(help="Folder to write to, for `lm_eval --include_path`.")],
    tasks: Annotated[str, typer.Option(help="Tasks, groups or globs, separated by commas.", autocompletion=complete_tasks)],
    data_dir: Annotated[str | None, typer.Option(help="Folder that holds the releases, or 'sample'.")] = None,
    protocol: Annotated[str, typer.Option(help="Protocol: clean or paper.")] = "clean",
    prompt: Annotated[str, typer.Option(help="Name of the prompt variant of the tasks.")] = "default",
    num_fewshot: Annotated[
        int | None, typer.Option(help="Number of worked examples in the prompt. [default: the task's]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for drawing examples.")] = 0,
    chat: Annotated[
        bool, typer.Option("--chat", help="Keep the system message apart, for lm_eval --apply_chat_template.")
    ] = False,
    include_path: IncludePath = None,
) -> None:
    """Write tasks as lm-eval task files, with their limits; no text of a record is in them."""
    from ehrbench.exports.lm_eval import Wanted, export_tasks, notes
    from ehrbench.tasks.catalog import load_catalog

    chosen = load_catalog(include_path or ()).select(tasks, _protocol(protocol))
    paths = tuple(str(path) for path in include_path or ())
    wanted = Wanted("", _protocol(protocol), prompt, num_fewshot, seed, data_dir, paths, chat)
    for path in export_tasks(chosen, folder, wanted):
        typer.echo(str(path))
    for line in dict.fromkeys(line for task in chosen for line in notes(task, wanted)):
        typer.echo(f"note: {line}", err=True)


@app.command("croissant")
def croissant(
    tasks: Annotated[str, typer.Argument(help="Tasks, groups or globs, separated by commas.", autocompletion=complete_tasks)],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    data_dir: Annotated[
        str | None, typer.Option(help="Also tell name and SHA-256 of the files of open tasks in this folder, or 'sample'.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    include_path: IncludePath = None,
) -> None:
    """Write tasks as Croissant metadata, one JSON file per task, as the mlcroissant package reads it; no item is in them."""
    from ehrbench.exports.croissant import files
    from ehrbench.exports.formats import write_files
    from ehrbench.leaderboard.names import Names
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.tasks.catalog import load_catalog

    chosen = load_catalog(include_path or ()).select(tasks)
    shown = [task for task in chosen if data_dir is not None and task.data.policy == "open"]
    data = {task.task: open_dataset(task, data_dir).files for task in shown}
    for path in write_files(lambda: files(chosen, Names(include_path or ()), data), out, force=force):
        typer.echo(str(path))


def _protocol(name: str) -> Protocol:
    from ehrbench.errors import UsageError, unknown_name
    from ehrbench.tasks.task_file import PROTOCOLS

    if name not in PROTOCOLS:
        raise UsageError(unknown_name("protocol", name, PROTOCOLS))
    return "paper" if name == "paper" else "clean"
