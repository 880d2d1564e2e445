"""A logger as the run sees it: what it is told goes to a process of its own, which can neither slow the run down nor stop it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import IO, Any

FINISH_S = 120.0
"""Seconds that a logger has for the rest when a run ends."""
BROKEN_OFF_S = 10.0
"""The same when a run is broken off, and somebody waits for that."""
_KEPT = (
    *("API_KEY", "BASE_URL", "CACHE_DIR", "CONFIG_DIR", "CREDENTIALS_FILE", "DATA_DIR", "DIR", "ENTITY", "IDENTITY_TOKEN_FILE"),
    *("INIT_TIMEOUT", "HTTP_TIMEOUT", "PROJECT"),
)
"""Of W&B's environment variables. Others would add texts, names and files of their own."""
_DROPPED = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_BUCKET_ID", "TRACKIO_DATASET_ID", "TRACKIO_WEBHOOK_URL")
"""Trackio would follow these to other places than the one that was checked."""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}
Reply = dict[str, Any]


class Logger:
    """One service at one place. Its process starts with the first run and serves one run after another."""

    def __init__(self, service: str, place: str, folder: Path, endpoint: str | None, local: str) -> None:
        """Name it; nothing is started.

        Args:
            service: mlflow, wandb or trackio.
            place: what the service's package is given.
            folder: where a service that keeps files puts them.
            endpoint: scheme, host and port of another machine; None: this machine.
            local: what ``--log-to`` takes in its place to stay on this machine.
        """
        self.service, self.place, self.folder, self.endpoint, self.local = service, place, folder, endpoint, local
        self._line: _Line | None = None

    def __str__(self) -> str:
        return f"{self.service} ({self.place})"

    @property
    def failed(self) -> str | None:
        """Why it has stopped; what it is told then goes nowhere."""
        return None if self._line is None else self._line.failed

    def tell(self, op: str, then: Callable[[Reply], None] | None = None, **message: Any) -> None:
        """Have something done, soon; this returns at once.

        Args:
            op: ``open``, ``log`` or ``finish``.
            then: told the reply, in another thread.
            message: what else to say.
        """
        if self._line is None:
            self._line = _Line(self.service, self.place)
            weakref.finalize(self, self._line.end)
        self._line.work.put(({"op": op, **message}, then))

    def wait(self, complete: bool) -> None:
        """Wait until all is done that it was told; one that takes too long is stopped.

        Args:
            complete: the run was not broken off.
        """
        if self._line is not None:
            self.tell("idle")
            self._line.wait(FINISH_S if complete else BROKEN_OFF_S)


class _Line:
    """To and from a process."""

    def __init__(self, service: str, place: str) -> None:
        self.work: SimpleQueue[tuple[Reply, Callable[[Reply], None] | None]] = SimpleQueue()
        self.failed: str | None = None
        self._idle = Event()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(service, place),
            start_new_session=True,  # Ctrl-C is for the run, which tells what has become of it
        )
        Thread(target=self._serve, daemon=True, name=f"ehrbench-{service}").start()

    def wait(self, seconds: float) -> None:
        """Until the process has answered the ``idle`` that was put last."""
        if self.failed is None and not self._idle.wait(seconds):
            self._stop(f"it took longer than {seconds:.0f} s to end")
        self._idle.clear()

    def end(self) -> None:
        """End the process: it closes what is open."""
        self.work.put(({"op": "end"}, None))
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _serve(self) -> None:
        """Pass on one message after another; the first that fails ends it."""
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None
        try:
            self._pass_on(into, out)
        finally:
            for pipe in (into, out):
                with suppress(OSError):  # what was not written is written no more
                    pipe.close()
            self._process.wait()

    def _pass_on(self, into: IO[bytes], out: IO[bytes]) -> None:
        while True:
            message, then = self.work.get()
            if message["op"] == "end":
                return
            try:
                into.write(json.dumps(message).encode() + b"\n")
                into.flush()
                reply = json.loads(out.readline() or b'{"error": "its process ended"}')
            except (OSError, ValueError) as error:
                reply = {"error": f"its process does not answer ({type(error).__name__})"}
            if "error" in reply:
                self._stop(reply["error"])
                return
            if message["op"] == "idle":
                self._idle.set()
            if then is not None:
                then(reply)

    def _stop(self, reason: str) -> None:
        self.failed = self.failed or reason
        self._process.kill()
        self._idle.set()


_MAIN = "import sys; sys.path.pop(0); from ehrbench.runs.loggers.worker import main; main()"
"""Without the working folder, in which W&B's runs may lie in a folder that is called as its package is."""


def _environment(service: str, place: str) -> Mapping[str, str]:
    """What the process sees: nothing that leads to other places, adds texts, or sends what is local through a proxy."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and (not name.startswith("WANDB_") or name.removeprefix("WANDB_") in _KEPT)
    }
    near = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "localhost", "127.0.0.1", "::1"]))
    hub = "0" if service == "trackio" and place != "local" else "1"
    path = os.pathsep.join(filter(None, sys.path))
    return {**kept, **_QUIET, "no_proxy": near, "NO_PROXY": near, "HF_HUB_OFFLINE": hub, "PYTHONPATH": path}
