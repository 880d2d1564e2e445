"""The process of a logger: one JSON object per line comes in, one goes out for each.

- ``open``: ``service``, ``place``, ``folder``, ``task``, ``model``, ``protocol``, ``settings`` (numbers), ``id`` (of a run to
  continue, or null); replies ``id`` and ``continued``.
- ``log``: ``numbers`` and ``step``.
- ``finish``: ``complete``.
- ``idle``: nothing.

The reply to what failed is ``{"error": …}``. An input that ends closes the run that is open as one that was broken off.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol


class Names(NamedTuple):
    """What a run is called, all of it past the publish check."""

    task: str
    model: str
    protocol: str


class Opening(NamedTuple):
    """What a service is asked for."""

    place: str
    folder: str
    names: Names
    settings: Mapping[str, float]
    id: str | None
    """Of the run that is to be continued."""


class OpenRun(Protocol):
    """A run at a service."""

    id: str
    """With which it can be found again."""
    continued: bool
    """Whether it is the one that was asked for."""

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Note numbers, ``step`` items being finished."""

    def finish(self, complete: bool) -> None:
        """Close it, so that all is written; ``complete`` is False for a run that was broken off."""


def serve(read: Callable[[], str], write: Callable[[str], object]) -> None:
    """Answer line by line until there is none."""
    run: OpenRun | None = None
    while line := read():
        message: dict[str, Any] = json.loads(line)
        reply: dict[str, Any] = {}
        try:
            match message["op"]:
                case "open":
                    names = Names(message["task"], message["model"], message["protocol"])
                    opening = Opening(message["place"], message["folder"], names, message["settings"], message["id"])
                    run = import_module(f"ehrbench.runs.loggers.{message['service']}").open_run(opening)
                    reply = {"id": run.id, "continued": run.continued}
                case "log" if run is not None:
                    run.log(message["numbers"], message["step"])
                case "finish" if run is not None:
                    run.finish(message["complete"])
                    run = None
        except Exception as error:
            first = (str(error).strip() or "no reason given").splitlines()[0]
            reply = {"error": f"{type(error).__name__}: {first[:300]}"}
        write(json.dumps(reply) + "\n")
    if run is not None:
        run.finish(False)


def main() -> None:
    """Serve the process that started this one; what libraries print goes nowhere."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(line: str) -> None:
        out.write(line)
        out.flush()

    serve(sys.stdin.readline, write)
