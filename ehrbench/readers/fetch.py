"""Downloading a suite's open files: the one part of the package that fetches data, registered by the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ehrbench.registry import Registry


class Fetched(NamedTuple):
    """What a fetch did."""

    folder: Path
    commit: str
    """Of the hub's repository."""
    placed: list[str]
    there_already: list[str]
    not_on_the_hub: list[str]


class Fetch(Protocol):
    """Downloads the files of some tasks."""

    def __call__(
        self,
        wanted: Sequence[Mapping[str, Any]],
        out: Path,
        *,
        full: bool,
        revision: str,
        force: bool,
        say: Callable[[str], None],
    ) -> Fetched:
        """Place the files; no token is sent.

        Args:
            wanted: the ``data.options`` of each task.
            out: the suite's folder.
            full: the whole release instead of the sample that the paper scored.
            revision: branch, tag or commit of the hub's repository.
            force: download what is there already, too.
            say: told each file as it is placed.

        Raises:
            MissingError: a package is missing, or the hub ($HF_ENDPOINT) cannot be reached or lacks the data.
            UsageError: a file that came is not a file of the release; it is not placed.
        """


FETCHERS: Registry[Fetch] = Registry("suite that can be fetched")
