"""Probabilities of choices from an engine that tells, after a prompt, the log-probabilities of named tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain
from math import fsum

from ehrbench.models.choices import Spellings, log_sums

Ask = Callable[[Sequence[int], Sequence[int]], Awaitable[Mapping[int, float]]]
"""Given tokens that follow the prompt and the tokens wanted next, their log-probabilities."""


async def choice_logs(spellings: Spellings, ask: Ask) -> list[float]:
    """The logarithm of each choice's probability, defined as in the ``hf`` backend.

    Where the first tokens tell the choices apart, one call gives them all. Else whole spellings count, each the product over its
    tokens; they are read off the tree of their beginnings, one call a branching, all of which share the prompt's cache.
    """
    first = spellings.first
    if not spellings.collide:
        found = await ask((), sorted(set(chain.from_iterable(first))))
        return log_sums([found[token] for tokens in first for token in tokens], [len(tokens) for tokens in first])
    branches: dict[tuple[int, ...], set[int]] = {}
    for tokens in chain.from_iterable(spellings.sequences):
        for at, token in enumerate(tokens):
            branches.setdefault(tokens[:at], set()).add(token)
    # The root comes before the others, so that they find the prompt in the cache.
    known: dict[tuple[int, ...], Mapping[int, float]] = {(): await ask((), sorted(branches.pop(())))}
    answers = await asyncio.gather(*(ask(begun, sorted(following)) for begun, following in branches.items()))
    known.update(zip(branches, answers, strict=True))
    values = [
        fsum(known[tokens[:at]][token] for at, token in enumerate(tokens)) for tokens in chain.from_iterable(spellings.sequences)
    ]
    return log_sums(values, [len(choice) for choice in spellings.sequences])
