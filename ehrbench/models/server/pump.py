"""From an iterator that may block to answers in the order in which they come, with a bounded number of calls under way.

A call is under way until the consumer comes back for the next result, which is when it has stored this one. So a process that is
killed has asked at most ``width`` calls whose answers are not stored, however slow its disk is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class _Fed(NamedTuple):
    """The source has ended."""

    n_items: int


class _Failed(NamedTuple):
    """The source, or a call that no other call would survive, raised."""

    error: BaseException


def pump(
    source: Iterable[A],
    prepare: Callable[[A], B],
    call: Callable[[B], Coroutine[Any, Any, C]],
    loop: asyncio.AbstractEventLoop,
    width: int,
) -> Iterator[C]:
    """Call ``call`` for every item of ``source`` and yield each result once, as soon as it is there.

    The source is read in a thread of its own and may block until the consumer has seen earlier results, so follow-up items can be
    made from them. At most ``width`` items are under way: read, and their result not yet done with by the consumer.

    Args:
        source: read to its end, one item at a time.
        prepare: run in the reading thread, so that long texts are not encoded in the event loop.
        call: run in the event loop; what it raises ends everything.
        loop: running in another thread.
        width: calls under way at most.

    Raises:
        Exception: whatever ``source``, ``prepare`` or ``call`` raised, after the results that came before it.
    """
    outbox: SimpleQueue[C | _Fed | _Failed] = SimpleQueue()
    free = threading.Semaphore(width)
    stopped = threading.Event()
    tasks: set[asyncio.Task[C]] = set()

    def start(item: B) -> None:
        if stopped.is_set():
            return
        task = loop.create_task(call(item))
        tasks.add(task)
        task.add_done_callback(finish)

    def finish(task: asyncio.Task[C]) -> None:
        tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            stopped.set()  # at once, so that nothing follows a call which no other would survive
        if not task.cancelled():
            outbox.put(task.result() if error is None else _Failed(error))

    def feed() -> None:
        n_items = 0
        try:
            items = iter(source)
            while True:
                free.acquire()
                if stopped.is_set():
                    return
                try:
                    item = next(items)
                except StopIteration:
                    break
                prepared = prepare(item)
                n_items += 1
                loop.call_soon_threadsafe(start, prepared)
            outbox.put(_Fed(n_items))
        except BaseException as error:  # handed to the consumer, who raises it
            outbox.put(_Failed(error))

    def cancel() -> None:
        for task in tasks:
            task.cancel()

    # A daemon: a source that blocks for ever must not keep the process alive after Ctrl-C.
    threading.Thread(target=feed, daemon=True, name="ehrbench-feeder").start()
    n_items: int | None = None
    n_results = 0
    try:
        while n_items is None or n_results < n_items:
            got = outbox.get()
            if isinstance(got, _Fed):
                n_items = got.n_items
            elif isinstance(got, _Failed):
                raise got.error
            else:
                n_results += 1
                yield got
                free.release()  # the consumer has come back: what it was given is stored
    finally:
        stopped.set()
        loop.call_soon_threadsafe(cancel)
        free.release()
