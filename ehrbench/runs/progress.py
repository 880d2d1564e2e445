"""Progress of long work: a bar on a terminal, a line now and then elsewhere; numbers and item counts only."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Any

from ehrbench.runs.prediction import Prediction

QUIET_SECONDS = 30.0
"""Between two lines where standard error is not a terminal."""


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
        self._tokens = self._prompt_tokens = self._cached = self._cut = 0
        self._outcomes: Counter[str] = Counter()
        self._bar: Any = None

    def __enter__(self) -> RunProgress:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total, completed=self._done, note="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

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
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, note=self.note())
        elif not self._quiet and now - self._spoke > QUIET_SECONDS:
            self._spoke = now
            left = (now - self._began) / self._fresh * (self._total - self._done)
            sys.stderr.write(f"{self._title}: {self._done}/{self._total} items, {self.note()}, about {left:.0f} s left\n")

    def note(self) -> str:
        """Tokens a second, cached and truncated share, and outcomes other than answers."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        parts = [f"{self._tokens / seconds:,.0f} tok/s"] if self._tokens else []
        if self._cached:
            parts.append(f"{self._cached / max(self._prompt_tokens, 1):.0%} cached")
        if self._cut:
            parts.append(f"{self._cut / self._fresh:.0%} truncated")
        parts += [f"{count} {name}" for name, count in sorted(self._outcomes.items()) if name != "answered"]
        return ", ".join(parts) or f"{self._fresh / seconds:,.0f} items/s"
