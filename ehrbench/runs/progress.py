"""Progress of long work: a bar on a terminal, a line now and then elsewhere; numbers and item counts only."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any

from ehrbench.runs.chains import ItemChain
from ehrbench.runs.prediction import Prediction

QUIET_SECONDS = 30.0
"""Between two lines where standard error is not a terminal, also while nothing finishes."""


class RunProgress:
    """Counts what is done and says so on standard error."""

    def __init__(self, title: str, total: int, done: int = 0, quiet: bool = False) -> None:
        """Begin.

        Args:
            title: the task's name.
            total: items of the run.
            done: items finished before.
            quiet: say nothing.
        """
        self._title, self._total, self._done, self._quiet = title, total, done, quiet
        self._began = self._spoke = time.monotonic()
        self._fresh = 0
        self._tokens = self._prompt_tokens = self._cached = self._cut = self._chunks = 0
        self._shares: dict[str, float] = {}
        """Of open refinement chains: how much of each is done."""
        self._outcomes: Counter[str] = Counter()
        self._bar: Any = None
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> RunProgress:
        if self._quiet:
            return self
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total, completed=self._done, note="")
        else:
            threading.Thread(target=self._speak_on, daemon=True, name="ehrbench-progress").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        if self._bar is not None:
            self._bar.stop()

    def add(self, prediction: Prediction) -> None:
        """Count one finished item."""
        with self._lock:
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
        self._show()

    def add_step(self, chain: ItemChain) -> None:
        """Count one finished chunk of a refinement chain that goes on."""
        with self._lock:
            self._chunks += 1
            self._shares[chain.item.id] = len(chain.steps) / chain.length
        self._show()

    def line(self) -> str:
        """Where the run is, in one line."""
        left = ""
        done = self._fresh + sum(self._shares.values())
        if done:
            seconds = (time.monotonic() - self._began) / done * (self._total - self._done - sum(self._shares.values()))
            left = f", about {seconds:.0f} s left"
        return f"{self._title}: {self._done}/{self._total} items, {self.note()}{left}"

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

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done + sum(self._shares.values()), note=self.note())
        elif not self._quiet and time.monotonic() - self._spoke > QUIET_SECONDS:
            self._speak()

    def _speak(self) -> None:
        with self._lock:
            self._spoke = time.monotonic()
            sys.stderr.write(self.line() + "\n")

    def _speak_on(self) -> None:
        """Speak also while nothing finishes, so that a long silence is not taken for a stopped run."""
        while not self._ended.wait(QUIET_SECONDS):
            if time.monotonic() - self._spoke >= QUIET_SECONDS:
                self._speak()
