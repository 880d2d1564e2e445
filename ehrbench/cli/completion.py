"""Shell completion of task names; the catalogue is read only while the shell asks."""

from __future__ import annotations


def complete_task(incomplete: str) -> list[str]:
    """Task names that begin with what was typed."""
    return [name for name in _names(groups=False) if name.startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    """Tasks and groups for the last part of a comma list."""
    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in _names(groups=True) if name.startswith(last)]


def _names(*, groups: bool) -> list[str]:
    from ehrbench.errors import EhrbenchError
    from ehrbench.tasks.catalog import load_catalog

    try:
        catalog = load_catalog()
    except EhrbenchError:
        return []  # a completion must not print into the line that is being typed
    return sorted({*catalog.names(), *(catalog.groups() if groups else ())})
