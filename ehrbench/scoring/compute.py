"""Run a metric over many items, on all cores where that pays."""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from ehrbench.errors import EhrbenchError
from ehrbench.metrics.metric import Metric, Scorable, ScoredAll, Statistics

Score = Callable[[Sequence[Scorable]], Sequence[Statistics | None]]

CHUNK_ITEMS = 512
CHUNK_CHARACTERS = 2_000_000
POOL_START_S = 1.0
"""What starting worker processes costs, beside what the metric loads in each."""


def compute(
    metric: Metric,
    scorables: Sequence[Scorable],
    *,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sequence[Statistics | None]:
    """Statistics of each item, in the order given; None where the metric is undefined for an item.

    One item is scored first, so that the metric loads what it needs, then the first chunk is timed. Where worker processes would
    save more than their start costs, the metric allows them and its function can be sent to another process, they take the
    remaining chunks; the results are the same.

    Args:
        metric: what to compute; whether it is available here is the caller's question.
        scorables: the answered items.
        processes: worker processes; default: one a usable core; 1: none.
        progress: called with the number of items that have just been finished.

    Raises:
        EhrbenchError: the metric failed; the message names metric and item and holds no text of the item.
    """
    return compute_all(metric, scorables, processes=processes, progress=progress).statistics


def compute_all(
    metric: Metric,
    scorables: Sequence[Scorable],
    *,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ScoredAll:
    """As ``compute``, with what the metric has to say about these items, or its number where it is not made of single ones."""
    if metric.score_all is None:
        return ScoredAll(_in_chunks(metric, scorables, processes, progress or (lambda n: None)))
    try:
        found = metric.score_all(scorables, progress or (lambda n: None))
    except EhrbenchError:
        raise
    except Exception as error:
        # The exception's text may quote an item.
        raise EhrbenchError(
            f"metric '{metric.name}' failed ({type(error).__name__}); if memory is short, give it smaller batches "
            f"(--metric-arg {metric.name}.batch=4)"
        ) from None
    return found._replace(statistics=_checked(metric.name, scorables, found.statistics))


def _in_chunks(
    metric: Metric, scorables: Sequence[Scorable], processes: int | None, report: Callable[[int], None]
) -> list[Statistics | None]:
    chunks = list(_chunks(scorables))
    processes = min(_usable_cores() if processes is None else processes, len(chunks) - 1)
    may_spread = processes > 1 and metric.processes and _can_travel(metric.score)
    started = time.perf_counter()
    if may_spread:
        _score_chunk(metric.name, metric.score, chunks[0][:1])
    loaded = time.perf_counter()
    out: list[Statistics | None] = []
    for i, chunk in enumerate(chunks):
        out += _score_chunk(metric.name, metric.score, chunk)
        report(len(chunk))
        if i == 0 and may_spread:
            rest_s = (time.perf_counter() - loaded) / len(chunk) * (len(scorables) - len(chunk))
            if rest_s * (1 - 1 / processes) > POOL_START_S + loaded - started:
                return out + _score_in_pool(metric, chunks[1:], processes, report)
    return out


def _score_in_pool(
    metric: Metric, chunks: Sequence[Sequence[Scorable]], processes: int, report: Callable[[int], None]
) -> list[Statistics | None]:
    # Spawned, not forked: a fork of a process with threads (an event loop, polars) may hang.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        futures: list[Future[list[Statistics | None]]] = [
            pool.submit(_score_chunk, metric.name, metric.score, chunk) for chunk in chunks
        ]
        for future in as_completed(futures):
            report(len(future.result()))
        return [statistics for future in futures for statistics in future.result()]
    except BrokenProcessPool:
        raise EhrbenchError(
            f"metric '{metric.name}': a scoring process was killed (is memory short?); score with one process instead"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _score_chunk(name: str, score: Score, chunk: Sequence[Scorable]) -> list[Statistics | None]:
    try:
        found = list(score(chunk))
    except EhrbenchError:
        raise
    except Exception:
        raise _failure(name, score, chunk) from None
    return _checked(name, chunk, found)


def _checked(name: str, chunk: Sequence[Scorable], found: Sequence[Statistics | None]) -> list[Statistics | None]:
    if len(found) != len(chunk):
        raise EhrbenchError(f"metric '{name}' gave {len(found)} results for {len(chunk)} items")
    for scorable, statistics in zip(chunk, found, strict=True):
        if statistics is None:
            continue
        try:
            finite = bool(len(statistics)) and all(map(math.isfinite, statistics))
        except TypeError:
            raise EhrbenchError(
                f"metric '{name}' gave a {type(statistics).__name__} for item '{scorable.item}'; expected a tuple of numbers, or "
                "None where it is not defined"
            ) from None
        if not finite:
            raise EhrbenchError(f"metric '{name}': the statistics of item '{scorable.item}' are not finite numbers")
    return list(found)


def _failure(name: str, score: Score, chunk: Sequence[Scorable]) -> EhrbenchError:
    """Find the item that a metric fails on; its exception's text may quote the item, so only its class is told."""
    for scorable in chunk:
        try:
            score([scorable])
        except Exception as error:
            return EhrbenchError(f"metric '{name}' failed on item '{scorable.item}' ({type(error).__name__})")
    return EhrbenchError(f"metric '{name}' failed on the items '{chunk[0].item}' to '{chunk[-1].item}' together, on none alone")


def _chunks(scorables: Sequence[Scorable]) -> Iterator[Sequence[Scorable]]:
    start = characters = 0
    for i, scorable in enumerate(scorables):
        size = len(scorable.answer) + len(scorable.source or "") + sum(map(len, scorable.references))
        if i > start and (i - start == CHUNK_ITEMS or characters + size > CHUNK_CHARACTERS):
            yield scorables[start:i]
            start, characters = i, 0
        characters += size
    if start < len(scorables):
        yield scorables[start:]


def _can_travel(score: Score) -> bool:
    try:
        pickle.dumps(score)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
