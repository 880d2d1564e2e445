"""Checks task files all the way: files, schema, names and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ehrbench.errors import UsageError
from ehrbench.tasks.catalog import Catalog, read_catalog
from ehrbench.tasks.yaml_file import TaskFileError


@dataclass
class Report:
    """What a validation found."""

    checked: list[str] = field(default_factory=list)
    """Names of the tasks that were looked at."""
    problems: list[str] = field(default_factory=list)
    """One line a fault."""
    notes: list[str] = field(default_factory=list)
    """What was rendered, and what could not be because the data is not here."""


def validate_tasks(wanted: Sequence[str] = (), include_paths: Sequence[Path] = ()) -> Report:
    """Check tasks under every protocol they have, and collect all faults.

    Args:
        wanted: tasks, groups, globs or YAML files; none: every task.
        include_paths: further task files.

    Raises:
        UsageError: ``wanted`` names nothing.
    """
    files = [Path(name) for name in wanted if _is_file(name)]
    catalog, problems = read_catalog([*include_paths, *files])
    report = Report(problems=list(problems))
    for name in _selected(catalog, wanted, files, bool(problems)):
        report.checked.append(name)
        _check_task(catalog, name, report)
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


def _check_task(catalog: Catalog, name: str, report: Report) -> None:
    for protocol in catalog.raw[name].protocols():
        try:
            catalog.get(name, "paper" if protocol == "paper" else "clean")
        except TaskFileError as error:
            report.problems += error.problems
