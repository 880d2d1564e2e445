"""A command's events on standard error: notes always; progress as a bar on a terminal, as a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from ehrbench.runs.events import (
    BatchesSeen,
    ChunkFinished,
    Event,
    ItemFinished,
    LoggingFailed,
    MetricFailed,
    MetricProgress,
    Note,
    TaskAnswered,
    TaskFinished,
    TaskLeftOut,
    TaskStarted,
)

if TYPE_CHECKING:
    from ehrbench.runs.prediction import Prediction

QUIET_SECONDS = 30.0
"""Between two lines where standard error is not a terminal, also while nothing finishes."""

_BATCHES = "batches"


class Tally:
    """How far the answering of a task is, in numbers and item counts only."""

    def __init__(self, task: str, total: int, done: int = 0) -> None:
        """Begin.

        Args:
            task: its name.
            total: items of the run.
            done: items finished before.
        """
        self.task, self.total, self._done = task, total, done
        self._began = time.monotonic()
        self._fresh = 0
        self._tokens = self._prompt_tokens = self._cached = self._cut = self._chunks = 0
        self._shares: dict[str, float] = {}
        """Of open refinement chains: how much of each is done."""
        self._outcomes: Counter[str] = Counter()

    @property
    def done(self) -> float:
        """Items finished, with the finished shares of open chains."""
        return self._done + sum(self._shares.values())

    def add(self, prediction: Prediction) -> None:
        """Count one finished item."""
        self._done += 1
        self._fresh += 1
        self._outcomes[prediction.outcome] += 1
        self._cut += (prediction.record_tokens_seen or 0) < (prediction.record_tokens or 0)
        for step in prediction.steps:
            self._tokens += (step.prompt_tokens or 0) + (step.answer_tokens or 0) + (step.reasoning_tokens or 0)
            self._prompt_tokens += step.prompt_tokens or 0
            self._cached += step.cached_tokens or 0
        if self._shares.pop(prediction.item, None) is not None:
            self._chunks += 1

    def add_chunk(self, item: str, share: float) -> None:
        """Count one finished call of a refinement chain that goes on, of which this share is done."""
        self._chunks += 1
        self._shares[item] = share

    def line(self) -> str:
        """Where the run is, in one line."""
        left = ""
        if fresh := self._fresh + sum(self._shares.values()):
            seconds = (time.monotonic() - self._began) / fresh * (self.total - self.done)
            left = f", about {seconds:.0f} s left"
        return f"{self.task}: {self._done}/{self.total} items, {self.note()}{left}"

    def note(self) -> str:
        """Tokens a second, chunks, cached and truncated share, and outcomes other than answers."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        parts = [f"{self._tokens / seconds:,.0f} tok/s"] if self._tokens else []
        if self._chunks:
            parts.append(f"{self._chunks} chunks done")
        if self._cached:
            parts.append(f"{self._cached / max(self._prompt_tokens, 1):.0%} cached")
        if self._cut:
            parts.append(f"{self._cut / self._fresh:.0%} truncated")
        parts += [f"{count} {name}" for name, count in sorted(self._outcomes.items()) if name != "answered"]
        return ", ".join(parts) or f"{self._fresh / seconds:,.0f} items/s"


class Display:
    """Listens to events and shows them; may be called from several threads."""

    def __init__(self, quiet: bool = False) -> None:
        """Begin.

        Args:
            quiet: notes and failures only, no progress.
        """
        self._quiet = quiet
        self._lock = threading.Lock()
        self._tally: Tally | None = None
        self._spoke = 0.0
        self._ended = threading.Event()
        self._bar: Any = None
        self._rows: dict[str, Any] = {}
        """The bar's rows, by task or metric."""
        self._batch_note = ""
        self._unlogged: dict[str, str] = {}
        """The task during which a logger stopped."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        for logger, task in self._unlogged.items():
            typer.echo(
                f"ehrbench: not all was logged to {logger}, which stopped during {task}; the runs lack nothing, and the same "
                "command logs their scores",
                err=True,
            )

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Note():
                typer.echo(f"ehrbench: {event.task}: {event.text}", err=True)
            case TaskLeftOut():
                typer.echo(f"ehrbench: {event.task} is left out: {event.reason}", err=True)
            case MetricFailed():
                typer.echo(f"ehrbench: {event.error}", err=True)
            case LoggingFailed():
                self._unlogged.setdefault(event.logger, event.task)
                said = f"{event.task}: {event.logger}: {event.reason}; the run goes on and is not logged there any more"
                typer.echo(f"ehrbench: {said}", err=True)
            case MetricProgress():
                self.metric(event.metric, event.done, event.total)
            case BatchesSeen() if not self._quiet:
                self._batches(event)
            case TaskStarted() if not self._quiet:
                self._end()
                self._start(Tally(event.task, event.n_items, event.n_finished))
            case ItemFinished() | ChunkFinished() if self._tally is not None:
                self._count(self._tally, event)
            case TaskAnswered() | TaskFinished():
                self._end()

    def metric(self, name: str, done: int, total: int) -> None:
        """Show on a terminal how far a metric is."""
        if self._quiet or not sys.stderr.isatty():
            return
        if self._bar is None:
            self._open_bar()
        if name not in self._rows:
            self._rows[name] = self._bar.add_task(f"scoring {name}", total=total, note="")
        self._bar.update(self._rows[name], completed=done)

    def _batches(self, seen: BatchesSeen) -> None:
        """Where a service's batches are: a bar on a terminal; elsewhere a line where a state has changed, or now and then."""
        states = ", ".join(f"{n} {state}" if n > 1 else state for state, n in seen.states)
        note = states + (f", {seen.failed} failed" if seen.failed else "")
        if sys.stderr.isatty():
            if self._bar is None:
                self._open_bar()
            if _BATCHES not in self._rows:
                self._rows[_BATCHES] = self._bar.add_task(_BATCHES, total=seen.total, note="")
            self._bar.update(self._rows[_BATCHES], completed=seen.done, total=seen.total, note=note)
        elif note != self._batch_note or time.monotonic() - self._spoke > QUIET_SECONDS:
            self._spoke, self._batch_note = time.monotonic(), note
            sys.stderr.write(f"{_BATCHES}: {seen.done}/{seen.total} calls, {note}\n")

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True)
        self._bar.start()

    def _start(self, tally: Tally) -> None:
        self._tally, self._spoke = tally, time.monotonic()
        if sys.stderr.isatty():
            self._open_bar()
            self._rows[tally.task] = self._bar.add_task(tally.task, total=tally.total, completed=tally.done, note="")
        else:
            self._ended = threading.Event()
            threading.Thread(target=self._speak_on, args=(tally, self._ended), daemon=True, name="ehrbench-progress").start()

    def _count(self, tally: Tally, event: ItemFinished | ChunkFinished) -> None:
        with self._lock:
            if isinstance(event, ItemFinished):
                tally.add(event.prediction)
            else:
                tally.add_chunk(event.item, event.done / event.total)
            if self._bar is not None:
                self._bar.update(self._rows[tally.task], completed=tally.done, note=tally.note())
            elif time.monotonic() - self._spoke > QUIET_SECONDS:
                self._speak(tally)

    def _end(self) -> None:
        with self._lock:  # so that no line comes after this
            self._ended.set()
        self._tally = None
        if self._bar is not None:
            self._bar.stop()
            self._bar, self._rows = None, {}

    def _speak(self, tally: Tally) -> None:
        self._spoke = time.monotonic()
        sys.stderr.write(tally.line() + "\n")

    def _speak_on(self, tally: Tally, ended: threading.Event) -> None:
        """Speak also while nothing finishes, so that a long silence is not taken for a stopped run."""
        while not ended.wait(QUIET_SECONDS):
            with self._lock:
                if not ended.is_set() and time.monotonic() - self._spoke >= QUIET_SECONDS:
                    self._speak(tally)
