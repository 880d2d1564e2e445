"""``ehrbench data counts``: items, patients, gold answers, strata and lengths of what is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ehrbench.curation.counts import Part

_SHOWN_GOLDS = 6


def counts(
    tasks: Annotated[str, typer.Argument(help="Tasks, groups or globs, separated by commas.")],
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases, or 'sample'. [default: $EHRBENCH_DATA or ./data]")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Also count tokens of questions and answers: a folder, a cached hub id, or 'words'.")
    ] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count items, patients and gold answers of each task, by stratum too, before any model is run on them.

    Counts of a few patients stay on this machine: the output is for you, not for publication.
    """
    from ehrbench.curation.counts import task_counts
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.runs.prepared import load_budget_tokenizer
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.output import print_json, print_table

    counter = load_budget_tokenizer(tokenizer)
    chosen = load_catalog(include_path or ()).select(tasks)
    found = [task_counts(task, open_dataset(task, data_dir).items, counter) for task in chosen]
    if as_json:
        print_json(
            [
                {
                    **one._asdict(),
                    "parts": [part._asdict() for part in one.parts],
                    "tokens": one.tokens and one.tokens._asdict(),
                    "tokenizer": counter.name if counter else None,
                }
                for one in found
            ]
        )
        return
    rows = []
    for one in found:
        for part in one.parts:
            name = f"  {part.by} = {part.value}" if part.by else one.task
            rows.append((name, f"{part.items:,}", f"{part.patients:,}", _golds(part)))
    print_table(("task", "items", "patients", "gold answers"), rows, numbers=(1, 2))
    if counter is not None:
        typer.echo(f"\nMean tokens per item ({counter.name})\n")
        texts = [
            (
                one.task,
                one.category,
                *(("", "", "") if (t := one.tokens) is None else (_mean(t.question), _mean(t.answer), _mean(t.definition))),
            )
            for one in found
        ]
        print_table(("task", "category", "question", "answer", "definition"), texts, numbers=(2, 3, 4))


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _golds(part: Part) -> str:
    shown = [f"{gold} {n:,} ({n / part.items:.1%})" for gold, n in list(part.golds.items())[:_SHOWN_GOLDS]]
    more = len(part.golds) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])
