"""Starting vLLM, and its plain engine with each call as a coroutine.

Requests are fed while the engine works, so a chain of calls goes on at its own pace and no batch waits for its longest member.
"""

from __future__ import annotations

import asyncio
import os
import queue
import re
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.models.hf.coverage import lacking
from ehrbench.models.vllm.calls import Calls, Done, Engine, Job, Progress, engine_stopped
from ehrbench.models.vllm.copies import CopiedEngine


def start(arguments: Mapping[str, Any], eos: Sequence[int], lora: str | None) -> Engine:
    """Start vLLM.

    Args:
        arguments: of ``EngineArgs``.
        eos: tokens that end an answer.
        lora: folder of an adapter that every call uses.

    Raises:
        UsageError: vLLM cannot run the checkpoint as it was asked to.
    """
    quiet()
    if not import_module("torch").cuda.is_available():
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # three processes would each import torch
    calls = Calls(eos, lora)
    if not calls.names_tokens:
        arguments = {"max_logprobs": -1, **arguments}
    try:
        if int(arguments.get("data_parallel_size") or 1) > 1:
            return CopiedEngine(arguments, calls)
        return _SteppedEngine(arguments, calls)
    except EhrbenchError:
        raise
    except Exception as error:
        raise UsageError(_why(error, Path(str(arguments["model"])))) from None


def quiet() -> None:
    """Settings of vLLM's process that an evaluation needs; what the user has set stays."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # it reports its use over the network
    os.environ.setdefault("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")  # the window is settled before; it reads scaled ones otherwise
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # standard output is for results


class _Waiting(NamedTuple):
    progress: Progress
    future: asyncio.Future[Done]
    loop: asyncio.AbstractEventLoop


class _SteppedEngine:
    """``LLMEngine`` in a thread of its own, stepped as long as there is work."""

    def __init__(self, arguments: Mapping[str, Any], calls: Calls) -> None:
        self._calls = calls
        self.scores_in_pieces = calls.scores_in_pieces(arguments)
        self._inbox: queue.SimpleQueue[tuple[str, _Waiting] | None] = queue.SimpleQueue()
        self._waiting: dict[str, _Waiting] = {}
        self._made = 0
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._stopped: EhrbenchError | None = None
        self.width = 1
        self._thread = threading.Thread(target=self._run, args=(dict(arguments),), daemon=True, name="ehrbench-vllm")
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    async def complete(self, job: Job) -> Done:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Done] = loop.create_future()
        self._made += 1
        self._inbox.put((str(self._made), _Waiting(Progress(job), future, loop)))
        return await future

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join(timeout=30)

    def _run(self, arguments: dict[str, Any]) -> None:
        # The engine is made in the thread that steps it: threads of torch and the current device belong to a thread.
        try:
            engine: Any = import_module("vllm").LLMEngine.from_engine_args(
                import_module("vllm.engine.arg_utils").EngineArgs(**arguments)
            )
            self.width = int(engine.vllm_config.scheduler_config.max_num_seqs)
        except Exception as error:
            self._failure = error
            return
        finally:
            self._started.set()
        try:
            while self._take(engine):
                for output in engine.step():
                    self._deliver(engine, output)
        except Exception as error:
            self._stopped = engine_stopped(error)
            for id_ in list(self._waiting):
                self._settle(id_, self._stopped)
            self._refuse()
        else:
            engine.engine_core.shutdown()

    def _take(self, engine: Any) -> bool:
        """Give the engine what has come in; wait where it has nothing to do. False: close."""
        while True:
            try:
                got = self._inbox.get(block=not self._waiting)
            except queue.Empty:
                return True
            if got is None:
                return False
            id_, waiting = got
            if waiting.future.cancelled():
                continue
            self._waiting[id_] = waiting
            job = waiting.progress.job
            try:
                engine.add_request(id_, self._calls.prompt(job), self._calls.parameters(job), lora_request=self._calls.lora)
            except Exception as error:  # this request alone
                self._settle(id_, error)

    def _deliver(self, engine: Any, output: Any) -> None:
        waiting = self._waiting.get(output.request_id)
        if waiting is None:
            return
        stopped = waiting.progress.add(output)
        cancelled = waiting.future.cancelled()
        if (stopped or cancelled) and not output.finished:
            engine.abort_request([output.request_id])
        if not (stopped or cancelled or output.finished):
            return
        progress = waiting.progress
        try:
            done = self._calls.done(progress.job, progress.ids, output, progress.seconds)
        except Exception as error:
            self._settle(output.request_id, error)
        else:
            self._settle(output.request_id, done)

    def _settle(self, id_: str, outcome: Done | Exception) -> None:
        _, future, loop = self._waiting.pop(id_)

        def settle() -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        loop.call_soon_threadsafe(settle)

    def _refuse(self) -> None:
        """The engine is gone: every later call is told so."""
        assert self._stopped is not None
        while (got := self._inbox.get()) is not None:
            id_, waiting = got
            self._waiting[id_] = waiting
            self._settle(id_, self._stopped)


_LACKING = re.compile(r"not initialized from checkpoint: \{([^}]*)\}")
_ESTIMATE = re.compile(r"estimated maximum model length is (\d+)")


def _why(error: Exception, folder: Path) -> str:
    """Why the engine did not start, in one sentence with the next step."""
    text = " ".join(str(error).split())
    if found := _LACKING.search(text):
        return lacking(folder, sorted(re.findall(r"'([^']+)'", found[1])))
    if found := _ESTIMATE.search(text):
        return (
            f"the memory left for vLLM's cache holds a window of {found[1]} tokens, and a larger one was asked for: give "
            f"--max-model-len {found[1]} or less, raise gpu_memory_utilization, or spread the model with tensor_parallel_size"
        )
    if "KV cache" in text or "No available memory" in text or "cache blocks" in text or "out of memory" in text.lower():
        return (
            "the memory does not suffice for the weights and one window: give a smaller --max-model-len, raise "
            "gpu_memory_utilization (kv_cache_memory_bytes without a GPU), or spread the model with tensor_parallel_size"
        )
    if "Engine core initialization failed" in text:
        return (
            "vLLM's engine did not start; the cause stands in what it printed above. Where that is the memory: a smaller "
            "--max-model-len, or tensor_parallel_size over more GPUs"
        )
    return (
        f"vLLM cannot run this checkpoint as asked: {type(error).__name__}: {text[:300]}; correct the named --model-arg or file"
    )
