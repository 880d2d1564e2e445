"""Clipped n-gram matches of many pairs at once: n-grams are packed into integers, sorted, and runs are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TOKENS_A_BLOCK = 1 << 14
"""Tokens sorted together: the keys of a block fit a core's cache."""

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


def clipped_matches(answers: Sequence[Ids], references: Sequence[Ids], order: int) -> Counts:
    """Count, for each pair and each n up to ``order``, the n-grams that answer and reference share.

    An n-gram counts as often as it is in both (the minimum of its two counts).

    Args:
        answers: token ids of each answer; equal tokens have equal ids, 0 or more.
        references: of equal length, in the same numbering.
        order: the largest n.

    Returns:
        int64[pairs, order].
    """
    out = np.zeros((len(answers), order), dtype=np.int64)
    start = tokens = 0
    for i, (answer, reference) in enumerate(zip(answers, references, strict=True)):
        size = len(answer) + len(reference)
        if tokens and tokens + size > TOKENS_A_BLOCK:
            out[start:i] = _block(answers[start:i], references[start:i], order)
            start, tokens = i, 0
        tokens += size
    if start < len(answers):
        out[start:] = _block(answers[start:], references[start:], order)
    return out


def totals(texts: Sequence[Ids], order: int) -> Counts:
    """How many n-grams each text has, for n up to ``order``: int64[texts, order]."""
    counts: Counts = np.maximum(lengths(texts)[:, None] - np.arange(order), 0)
    return counts


def lengths(texts: Sequence[Ids]) -> Counts:
    """How many tokens each text has: int64[texts]."""
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def _block(answers: Sequence[Ids], references: Sequence[Ids], order: int) -> Counts:
    n_pairs = len(answers)
    texts = [text for pair in zip(answers, references, strict=True) for text in pair]
    sizes = lengths(texts)
    ids = np.concatenate(texts).astype(np.int64)
    if not len(ids):
        return np.zeros((n_pairs, order), dtype=np.int64)
    text = np.repeat(np.arange(2 * n_pairs, dtype=np.int64), sizes)
    room = 62 - int(n_pairs - 1).bit_length()
    bits = int(ids.max() + 1).bit_length()
    if bits * order > room:
        ids = _number_within_pairs(ids, text >> 1)
        bits = int(ids.max() + 1).bit_length()
    if bits * order > room:
        if n_pairs > 1:
            half = n_pairs // 2
            parts = [_block(answers[s], references[s], order) for s in (slice(half), slice(half, None))]
            return np.concatenate(parts)
        return _count_one_by_one(answers[0], references[0], order)
    keys = _packed(ids + 1, text, np.repeat(np.cumsum(sizes), sizes), bits, order)
    if bits * order + int(n_pairs).bit_length() < 31:
        keys = keys.astype(np.int32)  # sorted in half the time
    keys.sort()
    keys = keys.astype(np.int64, copy=False)
    # Runs of equal keys are n-grams of one text; dropping the last token of sorted n-grams leaves them sorted, so that one
    # sort serves every order.
    starts = _run_starts(keys)
    counts = np.diff(starts, append=len(keys))
    runs, in_reference = keys[starts] >> 1, counts * (keys[starts] & 1)
    in_answer = counts - in_reference
    out = np.zeros((n_pairs, order), dtype=np.int64)
    for n in range(order, 0, -1):
        starts = _run_starts(runs)
        runs = runs[starts]
        in_answer, in_reference = np.add.reduceat(in_answer, starts), np.add.reduceat(in_reference, starts)
        shared = np.flatnonzero(in_answer * in_reference)
        # A last token of 0 is padding: the text ends before.
        shared = shared[runs[shared] & ((1 << bits) - 1) != 0]
        matched = np.minimum(in_answer[shared], in_reference[shared])
        out[:, n - 1] = np.bincount(runs[shared] >> (bits * n), weights=matched, minlength=n_pairs)
        runs = runs >> bits
    return out


def _packed(
    ids: npt.NDArray[np.int64], text: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], bits: int, order: int
) -> npt.NDArray[np.int64]:
    """One integer a position: pair, the ``order`` tokens from there on (0 beyond the text's end), side."""
    keys = text >> 1
    left = ends - np.arange(len(ids))
    for n in range(order):
        keys = keys << bits
        upto = max(len(ids) - n, 0)
        keys[:upto] |= np.where(left[:upto] > n, ids[n:], 0)
    return (keys << 1) | (text & 1)


def _run_starts(values: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))


def _number_within_pairs(ids: npt.NDArray[np.int64], pair: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Renumber the ids from 0 in each pair, so that an n-gram takes fewer bits."""
    distinct, position = np.unique(pair * (int(ids.max()) + 1) + ids, return_inverse=True)
    first = np.searchsorted(distinct, np.arange(int(pair[-1]) + 1) * (int(ids.max()) + 1))
    renumbered: npt.NDArray[np.int64] = position - first[pair]
    return renumbered


def _count_one_by_one(answer: Ids, reference: Ids, order: int) -> Counts:
    """The same for a pair with too many distinct tokens to pack."""
    a, r = answer.tolist(), reference.tolist()
    return np.array(
        [
            [
                (
                    Counter(tuple(a[i : i + n]) for i in range(len(a) - n + 1))
                    & Counter(tuple(r[i : i + n]) for i in range(len(r) - n + 1))
                ).total()
                for n in range(1, order + 1)
            ]
        ],
        dtype=np.int64,
    )
