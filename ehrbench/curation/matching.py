"""Records for instructions, as MedAlign's authors found them: the five best by BM25, beside one drawn at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.curation.instructions import Instruction
from ehrbench.curation.record_index import RecordIndex

TOP = 5
"""Records per instruction that MedAlign's clinicians were shown."""
DRAWN = "drawn"
MATCHED = "matched"


class Candidate(NamedTuple):
    """A record that may suit an instruction."""

    instruction: str
    record: str
    source: str
    """``matched`` or ``drawn``; a record can be both."""
    rank: int
    """1 for the best match; 1 for the one that was drawn."""
    score: float
    """BM25."""


def match(instructions: Sequence[Instruction], index: RecordIndex, top: int = TOP, seed: int = 0) -> list[Candidate]:
    """The best records of each instruction by BM25, and one drawn uniformly from all.

    What is drawn depends on the seed, the instruction's id and the collection, not on the other instructions.
    """
    found = []
    for one in instructions:
        scores = index.scores(one.query)
        hits = index.top(scores, top)
        found += [Candidate(one.id, hit.record, MATCHED, rank, hit.score) for rank, hit in enumerate(hits, 1)]
        drawn = random.Random(f"{seed}/{one.id}").randrange(len(index.records))
        found.append(Candidate(one.id, index.records[drawn], DRAWN, 1, float(scores[drawn])))
    return found
