"""Blinding: each rater sees an item's answers in an order of their own, called A, B, C and so on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from string import ascii_uppercase

from ehrbench.hashing import hash_data


def blind_order(seed: int, rater: str, item: str, systems: Sequence[str]) -> dict[str, str]:
    """Letter to system, the same whenever it is asked for.

    Args:
        seed: the study's.
        rater: who reads.
        item: what is read.
        systems: in the plan's order.
    """
    shuffled = sorted(systems)
    random.Random(hash_data([seed, rater, item])).shuffle(shuffled)
    return dict(zip(ascii_uppercase, shuffled, strict=False))


def blind_pairs(seed: int, rater: str, item: str, systems: Sequence[str]) -> list[tuple[str, str]]:
    """Every two letters of an item, in an order of the rater's own; the letters' shuffling balances which stands left."""
    pairs = list(combinations(blind_order(seed, rater, item, systems), 2))
    random.Random(hash_data([seed, rater, item, "pairs"])).shuffle(pairs)
    return pairs
