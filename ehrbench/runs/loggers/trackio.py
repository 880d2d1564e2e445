"""Runs in Trackio: in its folder on this machine, on a server of one's own, or in a Space of the Hugging Face hub."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ehrbench.runs.loggers.worker import Opening, OpenRun

PROJECT = "ehrbench"


def open_run(asked: Opening) -> OpenRun:
    """A run of the project ``ehrbench``."""
    return _Run(asked)


class _Run:
    def __init__(self, asked: Opening) -> None:
        trackio: Any = import_module("trackio")
        self._is_local = asked.place == "local"
        server = asked.place.startswith(("http://", "https://"))
        where = {} if self._is_local else {"server_url" if server else "space_id": asked.place}
        # A run is found again by its name alone, so the name has to be its own.
        self.id = asked.id or secrets.token_hex(4)
        name = f"{asked.names.model} {asked.names.task} {self.id}"
        self.continued = asked.id is not None and (not self._is_local or _is_there(trackio, name))
        self._run = trackio.init(
            project=PROJECT,
            name=name,
            group=asked.names.task,
            config={**asked.settings, "protocol": asked.names.protocol},
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
            **where,
        )

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log(dict(numbers), step=step)

    def finish(self, complete: bool) -> None:
        self._run.finish()
        storage: Any = import_module("trackio.sqlite_storage").SQLiteStorage
        if not self._is_local and storage.has_pending_data(PROJECT):
            raise ConnectionError("not all of it has reached the server; trackio keeps the rest and sends it the next time")


def _is_there(trackio: Any, name: str) -> bool:
    try:
        return any(run.name == name for run in trackio.Api().runs(PROJECT))
    except ValueError:  # nobody has logged anything to the project
        return False
