"""Work on hostile input in a process of its own, so that a crash or a hang is one failure and not the end of the campaign."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ehrbench.errors import EhrbenchError
from ehrbench.tasks.yaml_file import TaskFileError
from tests.campaign.rows import Row

LIMIT_S = 20
"""Seconds of the processor for one input: what takes longer hangs, and a busy machine makes no difference."""
SILENCE_S = 300
"""Without a word from the process, which then waits for something that does not come."""
MEMORY = 6 << 30
"""Address space of the process, libraries' own reserves and all: what a file may make of it is bounded."""


def each(row: Row, seeds: range, make: Callable[[], Callable[[int], None]], what: str = "seed", limit_s: int = LIMIT_S) -> None:
    """Run ``make()(seed)`` for each seed; it holds when it returns or raises one of ehrbench's own errors.

    Args:
        row: counts what happens.
        seeds: fixed, so that a failure returns.
        make: called once in the process, for what all seeds share.
        what: before a seed's number, in the table.
        limit_s: seconds of the processor for one seed.
    """
    todo = list(seeds)
    row.tried += len(todo)
    while todo:
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            _child(todo, make, limit_s, reader, writer)
        os.close(writer)
        said = _listen(reader, child)
        os.close(reader)
        os.waitpid(child, 0)
        lines = said.decode("utf-8", "replace").splitlines()
        for line in lines:
            if line != "held":
                row.failed(line, f"first: {what} {todo[0]}")
            todo.pop(0)
        if todo:
            row.failed("crashed or hung", f"first: {what} {todo.pop(0)}")


def _listen(reader: int, child: int) -> bytes:
    said = b""
    while True:
        ready, _, _ = select.select([reader], [], [], SILENCE_S)
        if not ready:
            os.kill(child, signal.SIGKILL)
            return said
        got = os.read(reader, 65536)
        if not got:
            return said
        said += got


def _child(seeds: list[int], make: Callable[[], Callable[[int], None]], limit_s: int, reader: int, writer: int) -> None:
    """Never returns."""
    os.close(reader)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        work = make()
        for seed in seeds:
            used = resource.getrusage(resource.RUSAGE_SELF)
            most = int(used.ru_utime + used.ru_stime) + 1 + limit_s
            resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
            os.write(writer, f"{_outcome(work, seed)}\n".encode())
    except BaseException as error:
        os.write(writer, f"{type(error).__name__} before any input\n".encode())
    finally:
        os._exit(0)


def _outcome(work: Callable[[int], None], seed: int) -> str:
    try:
        work(seed)
    except EhrbenchError as error:
        one_line = isinstance(error, TaskFileError) or len(str(error).splitlines()) == 1  # a task file's faults: a line for each
        return "held" if one_line else "an error of several lines"
    except BaseException as error:
        frame = error.__traceback__
        place = "?"
        while frame is not None:
            if "/ehrbench/" in frame.tb_frame.f_code.co_filename:
                place = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
            frame = frame.tb_next
        return f"{type(error).__name__} at {place}"
    return "held"


if sys.platform == "win32":  # pragma: no cover
    raise ImportError("the campaign needs fork and signals")
