"""The part of the ``vllm`` backend that knows vLLM: starting its engine, and one call as a coroutine.

Requests are fed while the engine works, so a chain of calls goes on at its own pace and no batch waits for its longest member.
"""

from __future__ import annotations

import asyncio
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from ehrbench.errors import EhrbenchError, UsageError

_MOST_NAMED_TOKENS = 128
"""Tokens whose log-probabilities vLLM gives in one call."""


class Job(NamedTuple):
    """One call."""

    ids: Sequence[int]
    """The prompt."""
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    is_finished: Callable[[list[int]], bool] | None = None
    """Asked after each token with the tokens so far, for stop strings."""
    choices: tuple[str, ...] = ()
    """The answer is held to one of these texts."""
    wanted: tuple[int, ...] = ()
    """Tokens whose log-probabilities as the first are wanted."""
    scored: int = 0
    """Tokens at the prompt's end whose own log-probabilities are wanted."""
    reads_cache: bool = False
    """With ``scored``: what the prefix cache holds is not computed again, and has no log-probabilities."""
    salt: str = ""
    """Calls with another salt share no cache with this one."""
    prefix: str | None = None
    """Calls with the same value share the beginning of their prompt."""


class Done(NamedTuple):
    """What a call became."""

    ids: list[int]
    """The new tokens, without the end token."""
    ended: bool
    """An end token was generated."""
    cached: int | None
    """Prompt tokens taken from the prefix cache."""
    seconds: float
    log_probabilities: Mapping[int, float]
    """Of the wanted tokens, over the whole vocabulary."""
    scores: Sequence[tuple[float, bool]] = ()
    """Of the scored tokens: log-probability, and whether it is the likeliest; empty where the cache held one of them or more."""


class Engine(Protocol):
    """A running engine."""

    width: int
    """Calls that it works on side by side."""
    scores_in_pieces: bool
    """Whether ``Job.reads_cache`` can be followed."""

    async def complete(self, job: Job) -> Done:
        """Make one call.

        Raises:
            EhrbenchError: the engine has stopped, which concerns all calls.
            Exception: this call alone cannot be made.
        """

    def close(self) -> None:
        """Stop the engine and free its memory."""


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
            from ehrbench.models.vllm.copies import CopiedEngine

            return CopiedEngine(arguments, calls)
        return _SteppedEngine(arguments, calls)
    except EhrbenchError:
        raise
    except Exception as error:
        raise UsageError(_why(error)) from None


def quiet() -> None:
    """Settings of vLLM's process that an evaluation needs; what the user has set stays."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # it reports its use over the network
    os.environ.setdefault("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")  # the window is settled before; it reads scaled ones otherwise
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # standard output is for results


class Calls:
    """From a job to vLLM's own parameters, and from its outputs to what a call became."""

    def __init__(self, eos: Sequence[int], lora: str | None) -> None:
        params: Any = import_module("vllm.sampling_params")
        self._params = params
        self._eos = set(eos)
        # Older releases name no tokens: there the whole vocabulary is given, which is slow for a large one.
        self.names_tokens = "logprob_token_ids" in params.SamplingParams.__annotations__
        self.names_cache = "skip_reading_prefix_cache" in params.SamplingParams.__annotations__
        self.lora = None if lora is None else import_module("vllm.lora.request").LoRARequest("adapter", 1, lora)

    def scores_in_pieces(self, arguments: Mapping[str, Any]) -> bool:
        """Whether calls that score their prompt can read the cache.

        Rows that are not computed hold what was in memory, which an engine with a tokenizer would try to decode.
        """
        return self.names_cache and bool(arguments.get("enable_prefix_caching") and arguments.get("skip_tokenizer_init"))

    def prompt(self, job: Job) -> dict[str, Any]:
        """What the engine is given to read."""
        return {"prompt_token_ids": list(job.ids), **({"cache_salt": job.salt} if job.salt else {})}

    def parameters(self, job: Job) -> Any:
        """What it is told about sampling, and which log-probabilities it is to give."""
        kinds = self._params.RequestOutputKind
        more: dict[str, Any] = {}
        if job.wanted and self.names_tokens:
            if len(job.wanted) > _MOST_NAMED_TOKENS:
                raise ValueError("too many tokens in one call")
            more["logprob_token_ids"] = list(job.wanted)
        elif job.wanted:
            more["logprobs"] = -1
        if job.scored:
            more["prompt_logprobs"] = 1  # the likeliest token's beside the prompt's own
            if job.reads_cache and self.names_cache:
                more["skip_reading_prefix_cache"] = False
        if job.choices:
            more["structured_outputs"] = self._params.StructuredOutputsParams(choice=list(job.choices))
        return self._params.SamplingParams(
            max_tokens=job.max_tokens,
            temperature=job.temperature,
            top_p=job.top_p,
            seed=job.seed if job.temperature > 0 else None,
            stop_token_ids=sorted(self._eos),
            detokenize=False,
            output_kind=kinds.DELTA if job.is_finished else kinds.FINAL_ONLY,
            **more,
        )

    def done(self, job: Job, ids: list[int], output: Any, seconds: float) -> Done:
        """What the call became, from its last output and all its tokens."""
        finish = output.outputs[0].finish_reason if output.finished else "stop"
        if finish not in ("stop", "length"):
            raise RuntimeError(f"vLLM: {finish}")
        place = next((i for i, token in enumerate(ids) if token in self._eos), None)
        found = output.outputs[0].logprobs
        first = found[0] if job.wanted and found else {}
        return Done(
            ids=ids if place is None else ids[:place],
            ended=place is not None,
            cached=output.num_cached_tokens,
            seconds=seconds,
            log_probabilities={token: float(first[token].logprob) for token in job.wanted if token in first},
            scores=_scores(job, output) if job.scored else (),
        )


def _scores(job: Job, output: Any) -> list[tuple[float, bool]]:
    if (output.num_cached_tokens or 0) >= len(job.ids) - job.scored:  # a token is scored by computing the one before it
        return []
    # Rows of what was cached are there, with no meaning, or are left out, by vLLM's version: so they are counted from the end.
    rows = output.prompt_logprobs[-job.scored :]
    own = [row[token] for row, token in zip(rows, job.ids[-job.scored :], strict=True)]
    return [(float(one.logprob), one.rank == 1) for one in own]


class Progress:
    """The tokens of one call so far."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ids: list[int] = []
        self.began = time.perf_counter()

    def add(self, output: Any) -> bool:
        """Take an output; True when a stop string has ended the call."""
        for token in output.outputs[0].token_ids:
            self.ids.append(token)
            if self.job.is_finished is not None and self.job.is_finished(self.ids):
                return True
        return False

    @property
    def seconds(self) -> float:
        """Since the call was made."""
        return time.perf_counter() - self.began


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


def engine_stopped(error: Exception) -> EhrbenchError:
    """What every call is told once the engine has stopped."""
    return EhrbenchError(
        f"vLLM's engine stopped ({type(error).__name__}); the cause stands in what it printed above (out of memory: lower "
        "gpu_memory_utilization or max_num_seqs); finished items are kept and the same command goes on from there"
    )


_ESTIMATE = re.compile(r"estimated maximum model length is (\d+)")


def _why(error: Exception) -> str:
    """Why the engine did not start, in one sentence with the next step."""
    text = " ".join(str(error).split())
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
