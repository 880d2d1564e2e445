"""From run folders to a served application."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from pathlib import Path

from ehrbench.correlation.ratings import read_ratings
from ehrbench.workbench.access import OneDoor
from ehrbench.workbench.serving import local_place, run_server
from ehrbench.workbench.view.app import ViewPages
from ehrbench.workbench.view.index import index_path, open_index
from ehrbench.workbench.view.notes import Notes
from ehrbench.workbench.view.runs import find_sets


def open_pages(
    paths: Sequence[Path],
    data_dir: str | None = None,
    ratings: Path | None = None,
    person: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> ViewPages:
    """Find runs, index them where that was not done yet, and make their pages.

    Raises:
        UsageError: there is no run, or a file is malformed.
        MissingError: the ratings are not there.
    """
    rankings = None if ratings is None else read_ratings(ratings)
    sets = []
    for runs in find_sets(paths, data_dir):
        path = index_path(runs, paths, ratings)
        db = open_index(runs, path, rankings, say)
        sets.append((runs, db, Notes(path.parent / "notes.jsonl", runs.task.task, person or _login())))
    return ViewPages(sets)


def serve_view(
    paths: Sequence[Path],
    data_dir: str | None,
    ratings: Path | None,
    person: str | None,
    *,
    port: int,
    idle_minutes: float,
    ready: Callable[[str], object],
    say: Callable[[str], object],
) -> bool:
    """Serve until interrupted or idle.

    Args:
        paths: run folders, or folders above them.
        data_dir: where the data are.
        ratings: people's ratings.
        person: who flags and notes.
        port: 0 takes a free one.
        idle_minutes: close after so many minutes without a request; 0: never.
        ready: told the link.
        say: told what takes a while.

    Returns:
        Whether it closed because nobody asked for anything.
    """
    doors = OneDoor()
    app, gate = open_pages(paths, data_dir, ratings, person, say).app(doors)
    place = local_place(port)
    return run_server(app, gate, place, idle_minutes=idle_minutes, ready=lambda address: ready(f"{address}/enter/{doors.token}"))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no name in this container
        return "me"
