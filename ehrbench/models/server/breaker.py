"""Noticing that a server is away: then one call at a time tries, and the others wait instead of using up their attempts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

FAILURES = 4
"""Attempts in a row without a sign of life that open the breaker, where they also took ``QUIET_SECONDS``."""
QUIET_SECONDS = 1.0
SPOKEN_SECONDS = 2.0
"""A wait as long as this is told to the user; shorter ones pass unnoticed."""


class Breaker:
    """One server's state, as the calls to it have found it; used from one event loop only."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Begin closed.

        Args:
            say: told each change of the server's state once, as a sentence without its subject.
        """
        self._say = say
        self.open = False
        self.tries = 0
        """Attempts since it opened."""
        self.last_life = float("-inf")
        """When the server last said something that only a working server says, on the monotonic clock."""
        self.failed: set[object] = set()
        """The calls that have failed since then."""
        self._row = 0
        self._since = 0.0
        self._next_try = 0.0
        self._said: set[object] = set()
        self._trying = asyncio.Lock()

    @property
    def seconds_silent(self) -> float:
        """Since the first of the attempts began that have failed in a row."""
        return time.monotonic() - self._since if self._row else 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Enter at once while the server answers; else when it is this call's turn to try, and hold the turn.

        Yields the seconds that were waited.
        """
        if not self.open:
            yield 0.0
            return
        began = time.monotonic()
        async with self._trying:
            if self.open:
                await asyncio.sleep(max(0.0, self._next_try - time.monotonic()))
                yield time.monotonic() - began
                return
        yield time.monotonic() - began

    def alive(self) -> None:
        """The server said something."""
        if self._said:
            self._say(f"answers again after {self.seconds_silent:.0f} s")
            self._said.clear()
        if self._row:
            self.failed.clear()
        self.open, self.tries, self._row = False, 0, 0
        self.last_life = time.monotonic()

    def silent(self, call: object, error: str, started: float, wait: float, attempts: str) -> None:
        """An attempt failed in a way that a server which is away would explain.

        Args:
            call: which.
            error: class of the failure.
            started: when the attempt did, on the monotonic clock.
            wait: seconds before the next attempt.
            attempts: how many this call has had and may have, in words.
        """
        if not self._row:
            self._since = started
        self._row += 1
        self.failed.add(call)
        self._next_try = time.monotonic() + wait
        if self.open:
            self.tries += 1
            if wait >= SPOKEN_SECONDS:
                self._say(f"{error}, nothing for {self.seconds_silent:.0f} s, next try in {wait:.0f} s")
        elif self._row >= FAILURES and self.seconds_silent >= QUIET_SECONDS:
            self.open = True
            self._tell("open", f"{error}, nothing for {self.seconds_silent:.0f} s: one call at a time tries, the others wait")
        elif wait >= SPOKEN_SECONDS:
            self._tell((error, attempts), f"{error}, {attempts}, next in {wait:.0f} s")

    def _tell(self, state: object, line: str) -> None:
        if state not in self._said:
            self._said.add(state)
            self._say(line)
