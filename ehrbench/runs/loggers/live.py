"""A run's events, told to its loggers as numbers. Whatever a logger does, the run goes on and keeps what it has."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ehrbench.jsonl import parse, write_atomically
from ehrbench.results.leaks import Finding, Search
from ehrbench.results.publication import publishable
from ehrbench.results.review import WITHHELD, judge
from ehrbench.results.schema import ModelInfo, Result
from ehrbench.results.sources import private_files, search_items, search_private
from ehrbench.runs.events import Event, ItemFinished, Listener, LoggingFailed, Note, TaskAnswered, TaskFinished, TaskStarted
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.loggers.logger import Logger
from ehrbench.runs.loggers.numbers import Progress, scores_of, settings_of
from ehrbench.runs.prepared import Prepared

EVERY_S = 5.0
"""Between two notes of the progress."""


@contextmanager
def logged(run: Prepared, on_event: Listener) -> Iterator[Listener]:
    """A listener that passes events on, and their numbers to the loggers of the run.

    Args:
        run: ready to start, with loggers.
        on_event: told everything that happens, and of loggers that fail.
    """
    live = _Live(run, on_event)
    try:
        yield live
    finally:
        live.end()


class _Live:
    def __init__(self, run: Prepared, on_event: Listener) -> None:
        self._run, self._on_event = run, on_event
        self._task = run.task.task
        self._folder = run.folder()
        self._loggers: list[Logger] = []
        """Those that were asked to open a run."""
        self._told: set[str] = set()
        """Services whose failure has been told."""
        self._opened: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        """Ids of runs that were logged before, by logger."""
        self._progress = Progress(0, 0)
        self._spoke = 0.0
        self._complete = False

    def __call__(self, event: Event) -> None:
        self._on_event(event)
        try:
            self._hear(event)
        except Exception as error:  # of the message only the class is told: it may quote what was searched
            if os.environ.get("EHRBENCH_DEBUG"):
                raise
            self._loggers = []
            for logger in self._run.options.log_to:
                self._fail(logger, f"nothing more can be told to it ({type(error).__name__})")
        self._tell_failures()

    def _hear(self, event: Event) -> None:
        match event:
            case TaskStarted():
                self._progress = Progress(event.n_items, event.n_finished)
                self._open()
            case ItemFinished():
                self._progress.add(event.prediction)
                if time.monotonic() - self._spoke >= EVERY_S:
                    self._log(self._progress.numbers())
            case TaskAnswered():
                self._log(self._progress.numbers())
            case TaskFinished():
                if event.result is not None:
                    self._log(self._scores(event.result))
                self._complete = event.result is not None or self._run.options.shard is not None

    def _open(self) -> None:
        names, settings = self._names(), dict(settings_of(self._run.config()))
        self._loggers = [logger for logger in self._run.options.log_to if logger.failed is None]
        if self._found([*names.values(), *settings]):
            self._loggers = []
            return
        self._known = _read(self._folder)
        for logger in self._loggers:

            def then(reply: dict[str, Any], logger: Logger = logger) -> None:
                with self._lock:
                    self._opened[logger.service] = reply
                    _keep(self._folder, str(logger), str(reply["id"]))

            about = {"place": logger.place, "folder": str(logger.folder), "id": self._known.get(str(logger))}
            logger.tell("open", then, service=logger.service, settings=settings, **about, **names)

    def _names(self) -> dict[str, str]:
        """What the run is called, as the publish check would let it be called where it sees no data."""
        run, identity = self._run, self._run.model.identity
        bare = Result(
            task=self._task,
            suite=self._task.partition(".")[0],
            protocol=run.options.protocol,
            model=ModelInfo(name=identity.name, backend=identity.backend),
            data_policy="credentialed" if run.credentialed else "open",
            metrics=[],
            primary="",
            n_items=len(run.items),
        )
        checked = judge(bare, searched=False, model=identity.name).result if run.credentialed else bare
        return {"task": checked.task, "model": checked.model.name, "protocol": checked.protocol}

    def _scores(self, result: Result) -> Mapping[str, float]:
        """The numbers of a result, under names that may be shown."""
        shown, _ = publishable(result, self._folder.path, (), None)
        metrics = [metric for metric in shown.metrics if metric.name != WITHHELD]
        if n_withheld := len(shown.metrics) - len(metrics):
            self._on_event(Note(self._task, f"{n_withheld} metrics are not logged, because nobody has reviewed their names"))
        numbers = dict(scores_of(shown.model_copy(update={"metrics": metrics})))
        return {} if self._found(list(numbers)) else numbers

    def _found(self, texts: list[str]) -> list[Finding]:
        """What of the texts stands in the items or in the run's private part; nothing is searched where the data are open."""
        if not self._run.credentialed:
            return []
        search = Search({"what would be logged": "\n".join(texts)})
        search_private(search, private_files([self._folder.path]))
        search_items(search, self._run.dataset, self._run.dataset.root.name)
        found = list(search.findings())
        for logger in self._run.options.log_to if found else ():
            self._fail(logger, f"what would be logged {found[0].message}, so it is not sent")
        return found

    def _log(self, numbers: Mapping[str, float]) -> None:
        self._spoke = time.monotonic()
        for logger in self._loggers:
            logger.tell("log", numbers=dict(numbers), step=self._progress.step)

    def end(self) -> None:
        """Close the runs and say where they are."""
        for logger in self._loggers:
            logger.tell("finish", complete=self._complete)
        for logger in self._loggers:
            logger.wait(self._complete)
            reply = self._opened.get(logger.service)
            if logger.failed is None and reply is not None:
                again = ", continued" if reply["continued"] else ""
                if not reply["continued"] and str(logger) in self._known:
                    again = f", a new one: {self._known[str(logger)]}, in which it was logged before, cannot be continued"
                self._on_event(Note(self._task, f"logged to {logger} as run {reply['id']}{again}"))
        self._tell_failures()

    def _tell_failures(self) -> None:
        for logger in self._loggers:
            if logger.failed is not None:
                self._fail(logger, logger.failed)

    def _fail(self, logger: Logger, reason: str) -> None:
        if logger.service not in self._told:
            self._told.add(logger.service)
            self._on_event(LoggingFailed(self._task, str(logger), reason))


def _read(folder: RunFolder) -> dict[str, str]:
    """Ids of the runs that a folder's run was logged as."""
    try:
        found = parse(folder.logged.read_text(encoding="utf-8"))
        return {str(name): str(one) for name, one in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _keep(folder: RunFolder, logger: str, name: str) -> None:
    """Note the id, so that an interrupted run is continued there."""
    try:
        write_atomically(folder.logged, json.dumps({**_read(folder), logger: name}, indent=2).encode())
    except OSError:  # a full disk stops the run itself, with a better message
        return
