"""Checks task files all the way: files, schema, names, prompts, and the first items where the data is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.tasks.catalog import Catalog, read_catalog
from ehrbench.tasks.yaml_file import TaskFileError

if TYPE_CHECKING:
    from ehrbench.tasks.schema import TaskSpec

N_RENDERED = 3


@dataclass
class Report:
    """What a validation found."""

    checked: list[str] = field(default_factory=list)
    """Names of the tasks that were looked at."""
    problems: list[str] = field(default_factory=list)
    """One line per fault."""
    notes: list[str] = field(default_factory=list)
    """What was rendered, and what could not be because the data is not here."""


def validate_tasks(wanted: Sequence[str] = (), data_dir: str | None = None, include_paths: Sequence[Path] = ()) -> Report:
    """Check tasks under every protocol they have, and collect all faults.

    Args:
        wanted: tasks, groups, globs or YAML files; none: every task.
        data_dir: where the releases are, or ``sample``; None: no item is rendered.
        include_paths: further task files.

    Raises:
        UsageError: ``wanted`` names nothing.
    """
    files = [Path(name) for name in wanted if _is_file(name)]
    catalog, problems = read_catalog([*include_paths, *files])
    report = Report(problems=list(problems))
    for name in _selected(catalog, wanted, files, bool(problems)):
        report.checked.append(name)
        _check_task(catalog, name, data_dir, report)
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _selected(catalog: Catalog, wanted: Sequence[str], files: Sequence[Path], has_broken_file: bool) -> list[str]:
    if not wanted:
        return catalog.names()
    places = {file.resolve() for file in files}
    found = [name for name, task in catalog.raw.items() if task.position.file.resolve() in places]
    for expression in wanted:
        if _is_file(expression):
            continue
        try:
            found += catalog.match(expression)
        except UsageError:
            if not has_broken_file:  # the name may stand in the file that could not be read
                raise
    return list(dict.fromkeys(found))


def _check_task(catalog: Catalog, name: str, data_dir: str | None, report: Report) -> None:
    for protocol in catalog.raw[name].protocols():
        try:
            spec = catalog.get(name, "paper" if protocol == "paper" else "clean")
        except TaskFileError as error:
            report.problems += error.problems
            continue
        if data_dir is None:
            continue
        where = f"{catalog.raw[name].position}: {name} ({protocol})"
        try:
            report.notes.append(f"{name} ({protocol}): {_render_first(spec, data_dir)}")
        except MissingError as error:
            report.notes.append(f"{name} ({protocol}): no item rendered: {error}")
        except EhrbenchError as error:
            report.problems += [f"{where}: {line}" for line in str(error).splitlines()]


def _render_first(spec: TaskSpec, data_dir: str) -> str:
    """Render every prompt for the first items; says how long the prompts are, never what is in them."""
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.tasks.prompts import render
    from ehrbench.tasks.slots import prompt_slots

    dataset = open_dataset(spec, data_dir)
    items = dataset.items[:N_RENDERED]
    if not items:
        raise UsageError("the data has no items")
    sizes = []
    for item in items:
        record = ""
        if spec.record is not None:
            if dataset.load_record is None or item.record_id is None:
                raise UsageError(f"item {item.id}: the task has 'record:', but the item has no record")
            loaded = dataset.load_record(item.record_id)
            record = loaded.header + loaded.text
        for prompt in (spec.prompt, *spec.variants.values()):
            messages = render(prompt, prompt_slots(item), record)
            sizes.append(sum(len(message.content) for message in messages))
    return f"{len(items)} of {len(dataset.items)} items rendered, prompts of {min(sizes):,} to {max(sizes):,} characters"
