"""The numbers of a run that loggers are given: what it was set to, how far it is, and what it scored."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ehrbench.results.schema import OUTCOMES, Result
from ehrbench.runs.prediction import Prediction


def settings_of(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The settings of a run that are numbers, by their path (``generation.temperature``); not those of the model's backend."""
    for name, value in config.items():
        if isinstance(value, Mapping) and name != "model":
            yield from settings_of(value, f"{prefix}{name}.")
        elif isinstance(value, (bool, int, float)):
            yield f"{prefix}{name}", value


def scores_of(result: Result) -> Iterator[tuple[str, float]]:
    """Scores with the ends of their intervals, counts and usage."""
    yield "n_items", float(result.n_items or 0)
    for metric in result.metrics:
        for suffix, value in (("", metric.value), ("_low", metric.low), ("_high", metric.high)):
            if value is not None:
                yield metric.name + suffix, value
    for metric in result.metrics:
        if metric.value is not None and metric.n is not None:
            yield f"n/{metric.name}", metric.n
    for outcome, count in result.outcomes.items():
        yield f"outcomes/{outcome}", count
    for name, amount in result.usage.model_dump().items():
        if amount is not None:
            yield f"usage/{name}", amount
    if result.context is not None:
        yield "context/records_cut", result.context.n_records_cut
        if result.context.share_seen_median is not None:
            yield "context/share_seen_median", result.context.share_seen_median


class Progress:
    """How far the answering of a task is, in numbers."""

    def __init__(self, n_items: int, n_finished: int) -> None:
        """Begin.

        Args:
            n_items: of the run.
            n_finished: finished before.
        """
        self.step = n_finished
        """Items finished."""
        self._n_items, self._began = n_items, time.monotonic()
        self._counts: Counter[str] = Counter()

    def add(self, prediction: Prediction) -> None:
        """Count a finished item."""
        self.step += 1
        self._counts[prediction.outcome] += 1
        for step in prediction.steps:
            self._counts["calls"] += 1
            for name in ("prompt_tokens", "answer_tokens", "reasoning_tokens", "cached_tokens"):
                self._counts[name] += getattr(step, name) or 0

    def numbers(self) -> dict[str, float]:
        """All of it; outcomes, calls and tokens are those since this command began to answer."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        fresh = sum(self._counts[outcome] for outcome in OUTCOMES)
        rates = {"items_per_second": fresh / seconds}
        tokens = sum(self._counts[name] for name in ("prompt_tokens", "answer_tokens", "reasoning_tokens"))
        rates |= {"tokens_per_second": tokens / seconds} if tokens else {}
        found = {"items": self.step, "items_open": self._n_items - self.step, "seconds": seconds, **self._counts, **rates}
        return {f"progress/{name}": float(value) for name, value in found.items()}
