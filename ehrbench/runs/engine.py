"""The engine: drives many items' chains through one model, storing each finished call before the next is asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from ehrbench.models.protocol import Model, Request, Response
from ehrbench.runs.chains import ItemChain
from ehrbench.runs.prediction import Prediction, Step

PORTION_ITEMS = 256
"""Items whose chains a batching backend works on side by side; bounds what is held in memory."""

Work = ItemChain | Prediction
"""What the plan yields for an item: a chain to drive, or a prediction made without a call (its prompt does not fit)."""


class Sink:
    """Where finished things go; called from two threads, so both callables must be safe to share."""

    def __init__(
        self,
        finish: Callable[[Prediction], None],
        keep_call: Callable[[ItemChain, Step], None],
        stored: Mapping[str, Step],
    ) -> None:
        """Collect.

        Args:
            finish: takes a finished prediction.
            keep_call: takes a finished step of a chain that goes on.
            stored: calls that are known already, by key.
        """
        self.finish = finish
        self.keep_call = keep_call
        self.stored = stored


def drive(work: Iterator[Work], model: Model, sink: Sink) -> None:
    """Run every chain to its end."""
    if model.streaming:
        _stream(work, model, sink)
    else:
        while portion := list(islice(work, PORTION_ITEMS)):
            _rounds(portion, model, sink)


def _rounds(portion: list[Work], model: Model, sink: Sink) -> None:
    """A batching backend: the next step of all chains is one batch."""
    chains = portion
    while chains:
        waiting: dict[str, tuple[ItemChain, str]] = {}
        requests: list[Request] = []
        for chain in chains:
            move = chain if isinstance(chain, Prediction) else chain.advance(sink.stored)
            if isinstance(move, Prediction):
                sink.finish(move)
            elif isinstance(chain, ItemChain):
                request, key = move
                waiting[request.id] = (chain, key)
                requests.append(request)
        chains = []
        if not requests:
            return
        for response in model.generate(requests):
            chain, key = waiting.pop(response.id)
            step = chain.take(response, key)
            if chain.ended:
                sink.finish(chain.prediction())
            else:
                sink.keep_call(chain, step)
                chains.append(chain)


def _stream(work: Iterator[Work], model: Model, sink: Sink) -> None:
    """A streaming backend: every chain at its own pace."""
    live = _LiveRequests(work, sink)
    responses = model.generate(live)  # held by name: were it closed before ``stop``, it could wait for a request for ever
    try:
        for response in responses:
            live.answered(response)
    finally:
        live.stop()
    if live.failure is not None:
        raise live.failure


class _LiveRequests:
    """Requests as their chains become ready.

    ``next`` blocks while every open chain waits for an answer, and ends when all chains have ended. The backend calls it in a
    thread of its own; answers come from the engine's thread.
    """

    def __init__(self, work: Iterator[Work], sink: Sink) -> None:
        self._work = work
        self._sink = sink
        self._ready: deque[Request] = deque()
        self._waiting: dict[str, tuple[ItemChain, str]] = {}
        self._changed = threading.Condition()
        self._producing = threading.Lock()
        self._exhausted = False
        self._stopped = False
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        while True:
            with self._changed:
                if self._stopped:
                    raise StopIteration
                if self._ready:
                    return self._ready.popleft()
                if self._exhausted:
                    if not self._waiting:
                        raise StopIteration
                    self._changed.wait()
                    continue
            self._begin_next_chain()

    def _begin_next_chain(self) -> None:
        """Take one more item from the plan; fitting its record is the costly part, so the lock is not held meanwhile."""
        with self._producing:
            try:
                work = next(self._work, None)
                if work is not None:
                    self._offer(work)
                    return
            except Exception as error:  # handed to the engine's thread, which raises it
                self.failure = error
                self.stop()
            with self._changed:
                self._exhausted = True
                self._changed.notify_all()

    def _offer(self, work: Work) -> None:
        move = work if isinstance(work, Prediction) else work.advance(self._sink.stored)
        if isinstance(move, Prediction):
            self._sink.finish(move)
            return
        assert isinstance(work, ItemChain)
        request, key = move
        with self._changed:
            self._waiting[request.id] = (work, key)
            self._ready.append(request)
            self._changed.notify_all()

    def answered(self, response: Response) -> None:
        """Store an answer and make its chain's next request ready."""
        with self._changed:
            chain, key = self._waiting[response.id]
        step = chain.take(response, key)
        if chain.ended:
            self._sink.finish(chain.prediction())
        else:
            self._sink.keep_call(chain, step)
            self._offer(chain)
        with self._changed:
            del self._waiting[response.id]
            self._changed.notify_all()

    def stop(self) -> None:
        """End the iteration, whatever is open."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
