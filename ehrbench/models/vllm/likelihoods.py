"""Log-likelihoods of given texts from an engine that tells the log-probabilities of its prompt's tokens.

vLLM makes those of the whole vocabulary for every prompt token that it computes, in memory that it has not set aside (for 8,192
tokens and 128,000 words 4 GB in float32), and for such a call reads nothing from its prefix cache unless it is told to. So a long
text is scored in pieces: what stands before a piece is computed once, comes from the cache, and has no log-probabilities made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from math import fsum

from ehrbench.models.capabilities import Likelihood
from ehrbench.models.likelihoods import Scored
from ehrbench.models.vllm.calls import Done, Job

PIECE = 256
"""Tokens whose log-probabilities are made at once: as many rows as vLLM tries out with its own default of ``max_num_seqs``."""

Complete = Callable[[Job], Awaitable[Done]]
_salts = count(1)


class _ReadTooMuch(Exception):
    """The cache held tokens whose log-probabilities are wanted: none were made for them."""


async def text_likelihoods(texts: Sequence[Sequence[Scored]], complete: Complete, *, pieces: bool) -> tuple[Likelihood, ...]:
    """The log-likelihood of each text.

    Args:
        texts: each in windows, see ``likelihoods.tokens_of``.
        complete: one call of the engine.
        pieces: whether the engine can be told to read its cache in such calls; without, every call computes its whole prompt.

    Raises:
        Exception: whatever ``complete`` raised.
    """
    # The first text comes before the others, so that they find the context that they share in the cache.
    first = [await _text(windows, complete, pieces) for windows in texts[:1]]
    return (*first, *await asyncio.gather(*(_text(windows, complete, pieces) for windows in texts[1:])))


async def _text(windows: Sequence[Scored], complete: Complete, pieces: bool) -> Likelihood:
    scores = [score for window in windows if window.scored for score in await _window(window, complete, pieces)]
    return Likelihood(fsum(value for value, _ in scores), all(greedy for _, greedy in scores))


async def _window(window: Scored, complete: Complete, pieces: bool) -> list[tuple[float, bool]]:
    ids = [*window.before, *window.scored]
    if pieces and len(ids) > PIECE:
        # Another call may have put scored tokens into the cache, too. Under a salt of its own no text finds but itself.
        for salt in ("", f"text {next(_salts)}"):
            try:
                return await _in_pieces(ids, len(window.before), salt, complete)
            except _ReadTooMuch:
                continue
    return list((await complete(Job(ids, 1, scored=len(window.scored)))).scores)


async def _in_pieces(ids: list[int], start: int, salt: str, complete: Complete) -> list[tuple[float, bool]]:
    if start > PIECE:
        await complete(Job(ids[: start - 1], 1, salt=salt))
    found: list[tuple[float, bool]] = []
    while start < len(ids):
        # Odd, so that it is not the end of a block: a token is scored by computing the one before it, which must not be cached.
        end = min(len(ids), (start + PIECE) | 1)
        done = await complete(Job(ids[:end], 1, scored=end - start, salt=salt, reads_cache=True))
        if not done.scores:
            raise _ReadTooMuch
        found += done.scores
        start = end
    return found
