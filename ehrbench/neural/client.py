"""Talking to the worker process: requests over a pipe, with a watch on silence, and crashes told in one sentence."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.neural import worker as protocol
from ehrbench.neural.environment import environment

SILENCE_S = 900.0
"""A worker that says nothing for so long is taken for hung; a batch or the loading of a model must end within it."""
START_S = 120.0


class WorkerError(EhrbenchError):
    """The worker could not be started, crashed, hung or failed; nothing but the metric that asked for it is lost."""


class Worker:
    """A worker process, started on first use."""

    def __init__(self, python: Path, *, silence_s: float | None = None, script: Path | None = None) -> None:
        """Name the interpreter; nothing is started yet.

        Args:
            python: of the metrics' environment.
            silence_s: seconds without a sign of life after which the worker is stopped.
            script: another worker, for tests.
        """
        self._python = python
        self._silence_s = silence_s or float(os.environ.get("EHRBENCH_WORKER_SILENCE_S") or SILENCE_S)
        self._script = script or Path(protocol.__file__)
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._last_words: deque[str] = deque(maxlen=20)
        self._drainer: Thread | None = None
        self._number = 0
        self.libraries: dict[str, str] = {}

    def call(self, op: str, what: str, done: Callable[[int], None] | None = None, **payload: Any) -> Any:
        """Ask the worker for something and wait.

        Args:
            op: ``load``, ``count`` or ``score``.
            what: for messages: what is being done ("scoring with 'comet'").
            done: told how many rows more are finished.
            payload: further parts of the request.

        Raises:
            WorkerError: see there; the process is gone afterwards and the next call starts another.
            UsageError: the checkpoint cannot be loaded.
        """
        if self._process is None:
            self._start()
        self._number += 1
        self._write(json.dumps({"id": self._number, "op": op, **payload}).encode() + b"\n")
        while True:
            message = self._read(self._silence_s, what)
            if message.get("id") != self._number:
                continue
            if "done" in message:
                if done is not None:
                    done(int(message["done"]))
                continue
            if "error" in message:
                raise _refusal(str(message["kind"]), str(message["error"]), what)
            return message["ok"]

    def close(self) -> None:
        """Stop the process; it has nothing to save."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue

    def _start(self) -> None:
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
        surroundings = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        try:
            self._process = subprocess.Popen(
                [str(self._python), "-I", str(self._script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**surroundings, **offline, "PYTHONIOENCODING": "utf-8", "TOKENIZERS_PARALLELISM": "false"},
                # Ctrl-C is for this process, which then stops the worker.
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(
                f"the metrics' worker cannot be started ({type(error).__name__}): run `ehrbench metrics setup comet --force`"
            ) from None
        self._lines = SimpleQueue()
        self._last_words.clear()
        Thread(target=_listen, args=(self._process.stdout, self._lines.put), daemon=True).start()
        self._drainer = Thread(target=_drain, args=(self._process.stderr, self._last_words), daemon=True)
        self._drainer.start()
        hello = self._read(START_S, "starting", starting=True)
        if hello.get("protocol") != protocol.PROTOCOL:
            self.close()
            raise WorkerError(
                f"the metrics' worker speaks protocol {hello.get('protocol')}, expected {protocol.PROTOCOL}: two "
                "versions of ehrbench are mixed; set it up again"
            )
        self.libraries = dict(hello.get("libraries") or {})

    def _write(self, line: bytes) -> None:
        """Write without waiting: a worker that hangs does not read."""
        process = self._process
        assert process is not None and process.stdin is not None
        Thread(target=_send, args=(process.stdin, line), daemon=True).start()

    def _read(self, seconds: float, what: str, *, starting: bool = False) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except Empty:
            self.close()
            raise WorkerError(
                f"the metrics' worker gave no sign of life for {seconds:g} s while {what} and was stopped: try smaller batches "
                "(--metric-arg METRIC.batch=1), or allow more with EHRBENCH_WORKER_SILENCE_S"
            ) from None
        if line is None:
            raise self._crash(what, starting)
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self.close()
            raise WorkerError(
                f"the metrics' worker wrote something other than its protocol while {what}: run `ehrbench metrics setup comet "
                "--force`"
            )
        return message

    def _crash(self, what: str, starting: bool) -> WorkerError:
        process = self._process
        assert process is not None
        code = process.wait()
        if self._drainer is not None:
            self._drainer.join(timeout=2)
        # Before it has seen any item, what it wrote cannot quote one.
        words = f" ({self._last_words[-1]})" if starting and self._last_words else ""
        self.close()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        next_step = (
            "run `ehrbench metrics setup comet --force`"
            if starting
            else "if memory is short, give smaller batches (--metric-arg METRIC.batch=1); then score again"
        )
        return WorkerError(f"the metrics' worker {how} while {what}{words}: {next_step}")


def _refusal(kind: str, text: str, what: str) -> EhrbenchError:
    if kind in ("load", "checkpoint"):
        return UsageError(f"{what}: the checkpoint cannot be used: {text}; compare the folder with the published one")
    if kind == "environment":
        return WorkerError(f"{what}: the metrics' environment is broken, it {text}: run `ehrbench metrics setup comet --force`")
    if kind == "memory":
        return WorkerError(f"{what}: memory is short; give smaller batches (--metric-arg METRIC.batch=1)")
    return WorkerError(f"{what} failed in the metrics' worker ({text})")


def _listen(stream: Any, put: Callable[[bytes | None], None]) -> None:
    try:
        for line in stream:
            put(line)
    except ValueError:  # closed
        pass
    put(None)


def _drain(stream: Any, last: deque[str]) -> None:
    try:
        for line in stream:
            if text := line.decode("utf-8", "replace").strip():
                last.append(text[:300])
    except ValueError:  # closed
        pass


def _send(stream: Any, line: bytes) -> None:
    try:
        stream.write(line)
        stream.flush()
    except (OSError, ValueError):
        pass  # the reader of the other pipe learns that the process is gone


_workers: dict[Path, Worker] = {}


def worker() -> Worker:
    """The worker of the metrics' environment, shared by all metrics of this process."""
    python = environment().python
    if python not in _workers:
        _workers[python] = Worker(python)
    return _workers[python]


@atexit.register
def close_workers() -> None:
    """Stop every worker of this process."""
    for one in _workers.values():
        one.close()
    _workers.clear()


class Scorer:
    """One model in the worker: loaded when first needed, and again after a crash."""

    def __init__(self, metric: str, kind: str, options: dict[str, Any]) -> None:
        self.metric = metric
        self._kind = kind
        self._options = options

    def limits(self) -> tuple[int, bool]:
        """Tokens of the model's input, and whether all texts of a row share them."""
        found = worker().call("load", f"loading '{self.metric}'", kind=self._kind, options=self._options)
        return int(found["room"]), bool(found["joint"])

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones; each distinct text is counted once."""
        self.limits()
        distinct = list(dict.fromkeys(texts))
        counts: list[int] = worker().call("count", f"counting tokens for '{self.metric}'", texts=distinct)
        found = dict(zip(distinct, counts, strict=True))
        return [found[text] for text in texts]

    def score(self, rows: Sequence[dict[str, str]], done: Callable[[int], None]) -> tuple[list[float], int]:
        """The score of each row, and how many rows were longer than the model's input.

        Equal rows are scored once, also over the metrics that share a model one after the other (UniEval's overall score and its
        parts).
        """
        self.limits()
        known = _known_scores(json.dumps([self._kind, self._options], sort_keys=True))
        keys = [tuple(sorted(row.items())) for row in rows]
        new = [key for key in dict.fromkeys(keys) if key not in known]
        done(len(keys) - len(new))
        if new:
            found = worker().call("score", f"scoring with '{self.metric}'", done, rows=[dict(key) for key in new])
            known.update(zip(new, zip(found["scores"], found["cut"], strict=True), strict=True))
        return [float(known[key][0]) for key in keys], sum(known[key][1] for key in keys)


_Scores = dict[tuple[tuple[str, str], ...], tuple[float, bool]]


@lru_cache(maxsize=1)
def _known_scores(model: str) -> _Scores:
    """What the model in use has scored already; another model's scores are forgotten."""
    return {}
