"""What metrics read from an answer and from its golds, as lines for people who look at an item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ehrbench.metrics._texts import PairScores
    from ehrbench.metrics.metric import Scorable

Reading = Mapping[str, str]
"""Texts by what they are ("read", "shared pairs of words"), in the order in which they are shown."""
MOST = 40
"""N-grams and names that are listed."""
_SIZES = {1: "words", 2: "pairs of words", 3: "runs of three words", 4: "runs of four words"}


def listed(names: Collection[str]) -> str:
    """Names after one another; the rest is counted."""
    shown = list(names)[:MOST]
    return "; ".join(shown) + (f"; and {len(names) - MOST} more" if len(names) > MOST else "") or "none"


def of_sets(said: Collection[str], gold: Collection[str]) -> Reading:
    """What an answer's set shares with the gold's, misses, and has beside it."""
    return {
        "found": listed(sorted(set(said) & set(gold))),
        "missed": listed(sorted(set(gold) - set(said))),
        "not expected": listed(sorted(set(said) - set(gold))),
    }


def shared(ours: Counter[Any], theirs: Counter[Any]) -> str:
    """How much of two bags of things is common to both; each counts as often as both have it."""
    return f"{(ours & theirs).total()} of {ours.total()} in the answer, of {theirs.total()} in the gold answer"


def shared_runs(answer: Sequence[str], gold: Sequence[str], orders: Sequence[int]) -> Reading:
    """The runs of tokens that an answer and a gold answer share, by length; each counts as often as both have it."""
    found = {}
    for n in orders:
        ours, theirs = (Counter(zip(*(tokens[k:] for k in range(n)), strict=False)) for tokens in (answer, gold))
        if ours or theirs:
            both = ours & theirs
            found[f"shared {_SIZES[n]}"] = shared(ours, theirs) + (f": {listed([' '.join(run) for run in both])}" if both else "")
    return found


def nearest(scorable: Scorable, score: PairScores) -> str:
    """The gold answer that a score of pairs of texts puts first; empty where there is none."""
    golds = scorable.references
    scores = [float(value) for value in score([scorable.answer] * len(golds), golds)] if golds else []
    return golds[max(range(len(golds)), key=scores.__getitem__)] if golds else ""
