"""Cutting work into batches of similar length, and going on with smaller ones when the memory does not suffice."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ehrbench.errors import EhrbenchError
from ehrbench.models.protocol import ChoiceRequest, Request

T = TypeVar("T")
R = TypeVar("R", Request, ChoiceRequest)


class BatchLimits(NamedTuple):
    """How much goes into one batch; None: no limit of that kind."""

    rows: int | None = None
    tokens: int | None = None
    """Rows times the longest prompt and the longest answer: padding counts."""


class Size(NamedTuple):
    """Tokens of one item."""

    prompt: int
    answer: int


def in_portions(requests: Iterable[R], characters: int = 1 << 26) -> Iterator[list[R]]:
    """Take requests in portions whose texts have about so many characters, so that long records are not all held at once.

    Batches are sorted within a portion, which is large against a batch.
    """
    portion: list[R] = []
    held = 0
    for request in requests:
        portion.append(request)
        held += sum(len(message.content) for message in request.messages)
        if held >= characters:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


def run_in_batches(
    sizes: Mapping[int, Size],
    run: Callable[[Sequence[int]], Sequence[T | Exception]],
    limits: BatchLimits,
    lower: Callable[[BatchLimits], None] = lambda limits: None,
) -> Iterator[tuple[int, T | Exception, float]]:
    """Run a function over batches of items, the longest first, and yield each item's outcome as its batch finishes.

    The longest come first so that a batch that is too large for the memory shows at the start, not after hours. Such a batch is
    cut in half, and so are those after it. A batch that fails otherwise is cut until the failing item stands alone.

    Args:
        sizes: the items, by number.
        run: given items' numbers, returns an outcome for each in the same order: a result, or the exception of that item alone.
        limits: of a batch, to start with.
        lower: told the limits that a lack of memory has brought down, for the calls after this one.

    Returns:
        Number, outcome (or the exception that the item alone raised) and its share of the batch's seconds.

    Raises:
        EhrbenchError: what ``run`` raises of that kind concerns all items, so it is not caught.
    """
    queue = sorted(sizes, key=lambda item: (-sum(sizes[item]), item))
    at = 0
    while at < len(queue):
        batch = queue[at : at + _fitting(queue, at, sizes, limits)]
        began = time.perf_counter()
        outcomes = _attempt(batch, run)
        if isinstance(outcomes, Exception):
            if _is_out_of_memory(outcomes):
                _free_memory()
                if len(batch) > 1:
                    limits = BatchLimits(limits.rows, _padded(batch, sizes) // 2)
                    lower(limits)
                    continue
            outcomes = _isolate(batch, outcomes, run)
        share = (time.perf_counter() - began) / len(batch)
        for item, outcome in zip(batch, outcomes, strict=True):
            yield item, outcome, share
        at += len(batch)


def _fitting(queue: Sequence[int], at: int, sizes: Mapping[int, Size], most: BatchLimits) -> int:
    """How many items from ``at`` on make one batch; at least one."""
    prompt = answer = rows = 0
    for item in queue[at:]:
        prompt, answer = max(prompt, sizes[item].prompt), max(answer, sizes[item].answer)
        too_many = most.rows is not None and rows >= most.rows
        too_large = most.tokens is not None and (rows + 1) * (prompt + answer) > most.tokens
        if rows and (too_many or too_large):
            break
        rows += 1
    return rows


def _padded(batch: Sequence[int], sizes: Mapping[int, Size]) -> int:
    return len(batch) * (max(sizes[item].prompt for item in batch) + max(sizes[item].answer for item in batch))


def _attempt(
    batch: Sequence[int], run: Callable[[Sequence[int]], Sequence[T | Exception]]
) -> Sequence[T | Exception] | Exception:
    try:
        return run(batch)
    except EhrbenchError:
        raise
    except Exception as error:
        # The traceback keeps the batch's tensors alive; without it their memory can be used again.
        error.__context__ = None
        return error.with_traceback(None)


def _isolate(
    batch: Sequence[int], failure: Exception, run: Callable[[Sequence[int]], Sequence[T | Exception]]
) -> list[T | Exception]:
    """The outcomes of a batch that failed as a whole, found by halving it."""
    if len(batch) == 1:
        return [failure]
    found: list[T | Exception] = []
    for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
        outcomes = _attempt(half, run)
        found.extend(_isolate(half, outcomes, run) if isinstance(outcomes, Exception) else outcomes)
    return found


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in text
        or "allocate memory" in text
    )


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
