"""A copy of a model killed while it scores, on a stand-in for vLLM's front whose copies are real processes.

``tests/engines/test_vllm_copies.py`` does the same to vLLM itself, where it is installed.
"""

from __future__ import annotations

import asyncio
import enum
import sys
from collections.abc import AsyncIterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ehrbench.errors import EhrbenchError
from ehrbench.models.server.loop import background_loop
from ehrbench.models.vllm.calls import Calls, Job
from ehrbench.models.vllm.copies import CopiedEngine

COPY = """\
import sys, time
for line in sys.stdin:
    if line == "long\\n":
        time.sleep(600)
    print("done", flush=True)
"""


class _Parameters:
    def __init__(self, **given: Any) -> None:
        self.given = given


class _Front:
    """As vLLM's: when a copy is gone, every call fails and ``errored`` says so."""

    def __init__(self) -> None:
        self.errored = False
        self.vllm_config = SimpleNamespace(
            parallel_config=SimpleNamespace(data_parallel_size=2), scheduler_config=SimpleNamespace(max_num_seqs=4)
        )
        self.copies: list[asyncio.subprocess.Process] = []

    @classmethod
    def from_engine_args(cls, arguments: Any) -> _Front:
        return cls()

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        for _ in range(2):
            self.copies.append(await asyncio.create_subprocess_exec(sys.executable, "-c", COPY, stdin=pipe, stdout=pipe))

    async def generate(
        self, prompt: Any, parameters: _Parameters, name: str, *, lora_request: None, data_parallel_rank: int
    ) -> AsyncIterator[Any]:
        copy = self.copies[data_parallel_rank]
        assert copy.stdin is not None and copy.stdout is not None
        ids = prompt["prompt_token_ids"]
        if not self.errored:
            copy.stdin.write(b"long\n" if len(ids) > 3 else b"short\n")
            if await copy.stdout.readline():
                row = {token: SimpleNamespace(logprob=-1.5, rank=1) for token in ids}
                one = SimpleNamespace(token_ids=[7], finish_reason="length", logprobs=None)
                yield SimpleNamespace(outputs=[one], finished=True, num_cached_tokens=0, prompt_logprobs=[row] * len(ids))
                return
        self.errored = True
        raise RuntimeError("EngineCore encountered an issue with the patient called Wilhelmina")

    def shutdown(self) -> None:
        for copy in self.copies:
            if copy.returncode is None:
                copy.kill()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> CopiedEngine:
    class Kind(enum.Enum):
        DELTA = FINAL_ONLY = 0

    for name, content in {
        "vllm.sampling_params": {"SamplingParams": _Parameters, "RequestOutputKind": Kind},
        "vllm.engine.arg_utils": {"AsyncEngineArgs": dict},
        "vllm.v1.engine.async_llm": {"AsyncLLM": _Front},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    made = CopiedEngine({}, Calls([2], None))
    asyncio.run_coroutine_threadsafe(made._engine.start(), background_loop()).result()
    return made


def test_a_copy_killed_while_it_scores_ends_every_call_at_once(engine: CopiedEngine) -> None:
    async def calls() -> tuple[Any, list[Any]]:
        scored = await engine.complete(Job([1, 4, 5], 1, scored=2))
        waiting = [asyncio.create_task(engine.complete(Job([n, 4, 5, 6], 1, scored=2))) for n in range(2)]
        for _ in range(9):
            await asyncio.sleep(0)
        assert engine._placement._loads == [1, 1], "both are under way"
        engine._engine.copies[0].kill()
        (ended,) = await asyncio.gather(waiting[0], return_exceptions=True)
        (next_one,) = await asyncio.gather(engine.complete(Job([1, 4, 5], 1)), return_exceptions=True)
        waiting[1].cancel()
        return scored, [ended, next_one]

    try:
        scored, ended = asyncio.run_coroutine_threadsafe(calls(), background_loop()).result(60)
    finally:
        engine.close()
    assert scored.scores == [(-1.5, True)] * 2
    for error in ended:
        assert isinstance(error, EhrbenchError), error
        assert "vLLM's engine stopped (RuntimeError)" in str(error)
        assert "the same command continues from there" in str(error)
        assert "Wilhelmina" not in str(error)


def test_a_call_that_a_dying_engine_gives_up_is_no_item_s_fault(engine: CopiedEngine) -> None:
    """vLLM's front ends calls in flight as aborted before it says that it is dead."""

    async def aborted(*_: Any, **__: Any) -> AsyncIterator[Any]:
        one = SimpleNamespace(token_ids=[], finish_reason="abort", logprobs=None)
        yield SimpleNamespace(outputs=[one], finished=True, num_cached_tokens=0, prompt_logprobs=None)

    engine._engine.generate = aborted
    try:
        with pytest.raises(EhrbenchError, match="engine stopped .*the same command continues from there"):
            asyncio.run_coroutine_threadsafe(engine.complete(Job([1, 4, 5], 1, scored=2)), background_loop()).result(60)
    finally:
        engine.close()
