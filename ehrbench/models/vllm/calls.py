"""Calls of vLLM's engine, whichever front it has: what is asked, what comes back, and how both are said in vLLM's own classes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from ehrbench.errors import EhrbenchError

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
        if finish == "abort":  # nobody gives up a call that is waited for but an engine that ends: no item's fault
            raise engine_stopped(ConnectionAbortedError())
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


def engine_stopped(error: Exception) -> EhrbenchError:
    """What every call is told once the engine has stopped."""
    return EhrbenchError(
        f"vLLM's engine stopped ({type(error).__name__}); the cause stands in what it printed above (out of memory: lower "
        "gpu_memory_utilization or max_num_seqs); finished items are kept and the same command continues from there"
    )
