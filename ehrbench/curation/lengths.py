"""How long records are, and which share of them fits into windows of common sizes, before any model is run on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ehrbench.errors import UsageError
from ehrbench.models.protocol import Tokenizer
from ehrbench.stats.interval import wilson


class Fit(NamedTuple):
    """How many records fit into a window."""

    window: int
    """Tokens."""
    k: int
    """Records of at most as many tokens; the prompt and the answer need room beside them."""
    n: int
    low: float
    """Of Wilson's 95 % interval of k / n."""
    high: float


class Lengths(NamedTuple):
    """The lengths of a collection's records in tokens."""

    n: int
    shortest: int
    median: float
    mean: float
    longest: int
    fits: Sequence[Fit]


def record_lengths(texts: Iterable[tuple[str, str]], tokenizer: Tokenizer, windows: Sequence[int]) -> Lengths:
    """Count the tokens of each record, one in memory at a time.

    Args:
        texts: ids and texts.
        tokenizer: what counts.
        windows: in tokens, each at least 1.

    Raises:
        UsageError: there is no record.
    """
    lengths = np.array([tokenizer.count(text) for _, text in texts], np.int64)
    n = len(lengths)
    if n == 0:
        raise UsageError("the collection has no records, so none has a length; name another folder or task")
    within = [(window, int((lengths <= window).sum())) for window in sorted(set(windows))]
    return Lengths(
        n=n,
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        mean=float(lengths.mean()),
        longest=int(lengths.max()),
        fits=[Fit(window, k, n, *wilson(k, n)) for window, k in within],
    )
