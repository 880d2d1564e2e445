"""``ehrbench data build-questions``: a benchmark from a hospital's own instructions."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Acceptable(str, Enum):
    """Kinds of problems that a person may find to be none."""

    date = "date"
    identifier = "identifier"
    near_duplicate = "near_duplicate"


class Policy(str, Enum):
    """Where records may go."""

    credentialed = "credentialed"
    open = "open"


def build_questions(
    table: Annotated[Path, typer.Argument(help="Table of instructions with gold answers (CSV, TSV or Excel), one per row.")],
    records: Annotated[
        Path, typer.Option(help="MEDS data set, OMOP database, FHIR bulk export, or folder with a text or XML file per record.")
    ],
    name: Annotated[str, typer.Option(help="Name of the task, for example ward_questions.")],
    title: Annotated[str, typer.Option(help="What people call it. [default: the name]")] = "",
    task_file: Annotated[Path | None, typer.Option(help="Task file to write. [default: NAME.yaml in this folder]")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Column of a meaning, as gold=Consensus; repeatable. [default: by the usual names]"),
    ] = None,
    policy: Annotated[
        Policy, typer.Option(help="Data policy: credentialed records go to approved endpoints only.")
    ] = Policy.credentialed,
    dev_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the patients whose questions are kept apart for writing prompts.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed for drawing these patients.")] = 0,
    accept: Annotated[
        list[Acceptable] | None, typer.Option(help="Kind of problem that you have looked at and let pass; repeatable.")
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Build without the rows that have a problem, in place of stopping.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the files of an earlier build.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a task of your own instructions: check each row, write the items beside the records and a task file.

    Exit code 2 when a row has a problem, each named by file and row; nothing is written then.
    """
    from dataclasses import asdict

    from ehrbench.curation.build import Plan, build
    from ehrbench.curation.questions import COLUMNS, read_questions
    from ehrbench.curation.records import find_records
    from ehrbench.errors import UsageError, unknown_name
    from ehrbench.terminal.output import print_json

    chosen: dict[str, str] = {}
    for given in column or ():
        meaning, sign, named = given.partition("=")
        if not sign:
            raise UsageError(f"--column is '{given}'; expected MEANING=NAME, for example gold=Consensus")
        if meaning not in COLUMNS:
            raise UsageError(f"--column: {unknown_name('meaning', meaning, COLUMNS)}")
        chosen[meaning] = named
    place = find_records(records)
    found = read_questions(table, place, chosen, [kind.value for kind in accept or ()])
    for problem in found.problems:
        typer.echo(problem.sentence, err=True)
    rows = len({problem.row for problem in found.problems})
    if rows and not leave_out:
        raise UsageError(
            f"{table}: {rows} of {len(found.table.rows)} rows have a problem; mend them, or build without them with --leave-out"
        )
    plan = Plan(name, title, policy.value, dev_share, seed)
    built = build(found, place, plan, task_file or Path(f"{name}.yaml"), force=force)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if as_json:
        shown = asdict(built) | {"task_file": str(built.task_file), "files": [str(path) for path in built.files]}
        print_json({**shown, "left_out": rows, "notes": found.notes})
        return
    left = f"; {rows} rows left out" if rows else ""
    typer.echo(f"{', '.join(f'{n} questions for {part}' for part, n in built.n.items() if n)}{left}")
    typer.echo(built.sample_size)
    typer.echo("\n".join(map(str, (*built.files, built.task_file))))
    typer.echo(
        f"\nNext: ehrbench tasks validate {built.task_file} --data-dir {place.root.resolve().parent}",
        err=True,
    )
