"""Several copies of a model in one vLLM (``data_parallel_size``): calls on one record go to the copy that has it in its cache."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any

from ehrbench.models.server.loop import background_loop
from ehrbench.models.vllm.calls import Calls, Done, Job, Progress, engine_stopped

_MOST_HOMES = 4096
"""Records whose copy is remembered: more than are asked about at once."""


class Placement:
    """Which copy makes a call."""

    def __init__(self, copies: int, capacity: int) -> None:
        """Begin with idle copies.

        Args:
            copies: how many there are.
            capacity: calls that one works on side by side.
        """
        self._loads = [0] * copies
        self._capacity = capacity
        self._homes: OrderedDict[str, int] = OrderedDict()

    def begin(self, prefix: str | None, *, stay: bool = False) -> int:
        """The copy for a call: where its record is, else where there is least to do.

        A record that many ask about at once moves on to an idle copy, which computes it again, when its own has a full batch more
        to do; ``stay`` keeps a call where its record is all the same.
        """
        idlest = min(range(len(self._loads)), key=self._loads.__getitem__)
        copy = idlest if prefix is None else self._homes.get(prefix, idlest)
        if not stay and self._loads[copy] - self._loads[idlest] >= self._capacity:
            copy = idlest
        if prefix is not None:
            self._homes[prefix] = copy
            self._homes.move_to_end(prefix)
            if len(self._homes) > _MOST_HOMES:
                self._homes.popitem(last=False)
        self._loads[copy] += 1
        return copy

    def end(self, copy: int) -> None:
        """A call has ended."""
        self._loads[copy] -= 1


class CopiedEngine:
    """``AsyncLLM``, the front of a data-parallel model."""

    def __init__(self, arguments: Mapping[str, Any], calls: Calls) -> None:
        """Start the copies, each in a process of its own."""
        self._calls = calls
        self.scores_in_pieces = calls.scores_in_pieces(arguments)
        self._made = 0
        self._loop = background_loop()
        self._engine = asyncio.run_coroutine_threadsafe(self._make(dict(arguments)), self._loop).result()
        config = self._engine.vllm_config
        copies, capacity = int(config.parallel_config.data_parallel_size), int(config.scheduler_config.max_num_seqs)
        self._placement = Placement(copies, capacity)
        self.width = capacity * copies

    async def _make(self, arguments: dict[str, Any]) -> Any:
        arguments_class: Any = import_module("vllm.engine.arg_utils").AsyncEngineArgs
        return import_module("vllm.v1.engine.async_llm").AsyncLLM.from_engine_args(arguments_class(**arguments))

    async def complete(self, job: Job) -> Done:
        """Make one call; see ``calls.Engine``."""
        self._made += 1
        progress = Progress(job)
        output: Any = None
        copy = self._placement.begin(job.prefix, stay=job.reads_cache)
        try:
            outputs = self._engine.generate(
                self._calls.prompt(job),
                self._calls.parameters(job),
                str(self._made),
                lora_request=self._calls.lora,
                data_parallel_rank=copy,
            )
            async with aclosing(outputs):
                async for output in outputs:
                    if progress.add(output):
                        break
        except Exception as error:
            if self._engine.errored:
                raise engine_stopped(error) from None
            raise
        finally:
            self._placement.end(copy)
        return self._calls.done(job, progress.ids, output, progress.seconds)

    def close(self) -> None:
        """Stop the copies."""
        self._loop.call_soon_threadsafe(self._engine.shutdown)
