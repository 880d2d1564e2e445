"""The event loop of this process that HTTP calls run in, in a thread of its own, so that a model can be used from plain code."""

from __future__ import annotations

import asyncio
import os
import threading

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_lock = threading.Lock()


def background_loop() -> asyncio.AbstractEventLoop:
    """The running loop, started on first use and again in a forked process, whose parent's loop does not run."""
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, daemon=True, name="ehrbench-http").start()
        return loop
