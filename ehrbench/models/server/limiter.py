"""How many calls a server is given at once: fewer when it says it is busy, slowly more while it copes."""

from __future__ import annotations

import asyncio
import os
from collections import deque

_limiters: dict[tuple[int, str], Limiter] = {}


class Limiter:
    """Additive increase, multiplicative decrease; used from one event loop only."""

    def __init__(self, ceiling: int) -> None:
        """Start at the ceiling: most servers can take it, and one refusal halves it."""
        self.ceiling = ceiling
        self.limit = float(ceiling)
        self.in_flight = 0
        self._epoch = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> int:
        """Wait for a place; returns what ``release`` wants back."""
        if self.in_flight < int(self.limit) and not self._waiting:
            self.in_flight += 1
            return self._epoch
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.in_flight -= 1
                self._wake()
            raise
        return self._epoch

    def release(self, epoch: int, *, succeeded: bool = False, congested: bool = False) -> None:
        """Give a place back and say how the call went.

        Calls that were under way when the limit was halved say nothing new when they fail too: they do not halve it again.
        """
        self.in_flight -= 1
        if congested and epoch == self._epoch:
            self._epoch += 1
            self.limit = max(1.0, self.limit / 2)
        elif succeeded:
            self.limit = min(float(self.ceiling), self.limit + 1 / self.limit)
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.in_flight < int(self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)


def limiter_for(base_url: str, ceiling: int) -> Limiter:
    """The one limiter of a server, shared by a model and a judge on it; the larger ceiling counts."""
    limiter = _limiters.setdefault((os.getpid(), base_url), Limiter(ceiling))
    if ceiling > limiter.ceiling:
        limiter.limit += ceiling - limiter.ceiling
        limiter.ceiling = ceiling
    return limiter
