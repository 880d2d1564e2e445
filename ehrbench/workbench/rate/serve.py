"""A study with its ratings opened, for one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ehrbench.runs.folder import RunFolder
from ehrbench.workbench.rate.answers import Material, load_material
from ehrbench.workbench.rate.app import RatePages
from ehrbench.workbench.rate.store import FILE, Store
from ehrbench.workbench.rate.study import Study, folder_of, read_study
from ehrbench.workbench.serving import Place, run_server


class Opened(NamedTuple):
    """A study, what it judges, and what was said."""

    folder: RunFolder
    study: Study
    material: Material
    store: Store


@contextmanager
def open_study(path: Path, *, alone: bool = False) -> Iterator[Opened]:
    """Read a study, its runs and its ratings.

    Args:
        path: the study's folder.
        alone: hold it, so that no second server writes.

    Raises:
        UsageError: the plan or a run changed, or another process holds the study.
        MissingError: the study, a run or the data are not there.
    """
    folder = folder_of(path)
    study = read_study(path)
    material = load_material(folder.path, study)
    folder.make()
    if alone:
        with folder.locked(), _stored(folder, study) as store:
            yield Opened(folder, study, material, store)
    else:
        with _stored(folder, study) as store:
            yield Opened(folder, study, material, store)


@contextmanager
def _stored(folder: RunFolder, study: Study) -> Iterator[Store]:
    store = Store(folder.private / FILE)
    try:
        store.freeze(study.frozen())
        yield store
    finally:
        store.close()


def serve_study(
    opened: Opened,
    place: Place,
    *,
    idle_minutes: float,
    renew_links: bool,
    ready: Callable[[str, Mapping[str, str]], object],
) -> bool:
    """Let raters work until interrupted or idle.

    Args:
        opened: the study, held alone.
        place: where.
        idle_minutes: close after so many minutes without a request; 0: never.
        renew_links: make new personal links and close the old ones.
        ready: told the address, and each rater's personal link.

    Returns:
        Whether it closed because nobody asked for anything.
    """
    links = opened.store.links([rater.name for rater in opened.study.raters], renew_links)
    app, gate = RatePages(opened.study, opened.material, opened.store).app()

    def told(address: str) -> None:
        ready(address, {rater: f"{address}/enter/{token}" for rater, token in links.items()})

    return run_server(app, gate, place, idle_minutes=idle_minutes, ready=told)
