"""The packed n-gram counts against counting one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.metrics import _ngrams
from ehrbench.metrics._ngrams import clipped_matches, totals


def by_hand(answer, reference, order):
    def grams(ids, n):
        return Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))

    return [sum((grams(answer, n) & grams(reference, n)).values()) for n in range(1, order + 1)]


def check(pairs, order):
    answers = [np.array(a, dtype=np.int32) for a, _ in pairs]
    references = [np.array(r, dtype=np.int32) for _, r in pairs]
    got = clipped_matches(answers, references, order)
    assert got.tolist() == [by_hand(a, r, order) for a, r in pairs]


ids = st.lists(st.integers(0, 4), max_size=15)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=6), st.integers(1, 6))
def test_small_vocabularies(pairs, order):
    check(pairs, order)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.lists(st.sampled_from([0, 1, 9_999, 2**31 - 2]), max_size=9)] * 2), min_size=1, max_size=5))
def test_large_ids_are_renumbered_within_their_pair(pairs):
    check(pairs, 6)


def test_blocks_and_pairs_that_cannot_be_packed(monkeypatch):
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(0, 50, 40).tolist(), rng.integers(0, 50, 45).tolist()) for _ in range(30)]
    monkeypatch.setattr(_ngrams, "TOKENS_A_BLOCK", 100)
    check(pairs, 4)
    # 3,000 distinct tokens need 12 bits, six of which do not fit 62
    many = (list(range(3000)), list(range(1000, 3000)) + [5] * 10)
    check([*pairs[:2], many, pairs[3]], 6)


def test_totals():
    assert totals([np.zeros(0), np.zeros(1), np.zeros(5)], 4).tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [5, 4, 3, 2]]


def test_lengths_must_agree():
    with pytest.raises(ValueError):
        clipped_matches([np.zeros(1, dtype=np.int32)], [], 2)
