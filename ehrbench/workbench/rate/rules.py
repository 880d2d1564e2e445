"""What may be said in each mode, what is still missing, and what it comes to as a rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ehrbench.errors import UsageError
from ehrbench.stats.win_rates import mid_ranks
from ehrbench.workbench.rate.store import State
from ehrbench.workbench.rate.study import Study

WHOLE = {
    "cannot_judge": "It cannot be judged from this record",
    "record_mismatch": "The record does not fit the instruction",
}
"""Answers about the item itself; either ends it without judgements of the answers."""
COMMENT_LIMIT = 5_000
TIE = "tie"
_ITEM_FIELDS = ("whole", "note", "done")


def pair_key(a: str, b: str) -> str:
    """The subject under which a preference between two systems is kept."""
    return "\t".join(sorted((a, b)))


def fields(study: Study) -> tuple[str, ...]:
    """What is asked of each answer (of each pair, in ``pairs``)."""
    if study.mode == "pairs":
        return ("prefer",)
    if study.mode == "likert":
        return (*(f"scale:{question.id}" for question in study.scale.questions), "tags", "comment")
    return ("correct", "reasons", "tags", "comment", *(("rank",) if study.mode == "rank" else ()))


def checked(study: Study, field: str, value: Any) -> Any:
    """A value as it is stored.

    Raises:
        UsageError: the study asks no such thing, or has no such answer to it.
    """
    if field not in (*fields(study), *_ITEM_FIELDS):
        raise UsageError("this study asks no such thing; reload the page")
    if value is None:
        return None
    known = {"reasons": study.criteria, "tags": study.tags}
    legal: bool
    if field in known:
        legal = isinstance(value, list) and all(isinstance(v, str) and v in known[field] for v in value)
        value = [v for v in known[field] if v in value] or None if legal else value
    elif field in ("comment", "note"):
        legal = isinstance(value, str) and len(value) <= COMMENT_LIMIT
        value = value.strip() or None if legal else value
    elif field in ("correct", "done"):
        legal = isinstance(value, bool)
    elif field == "rank":
        legal = type(value) is int and 1 <= value <= len(study.systems)
    elif field == "whole":
        legal = isinstance(value, str) and value in WHOLE
    elif field == "prefer":
        legal = isinstance(value, str)
    else:
        legal = type(value) is int and value in study.scale.levels
    if not legal:
        raise UsageError("the page sent an answer that this study does not have; reload it")
    return value


def missing(study: Study, state: State, letters: Mapping[str, str]) -> list[str]:
    """What has to be said before an item is done, as sentences for the rater.

    Args:
        study: what is asked.
        state: what is said so far.
        letters: letter to system.
    """
    if "whole" in state:
        return []
    if study.mode == "pairs":
        left = sum(pair_key(a, b) not in state.get("prefer", {}) for a, b in combinations(letters.values(), 2))
        return [f"{left} {'pair is' if left == 1 else 'pairs are'} not compared yet"] if left else []
    lacking = []

    def without(field: str) -> str:
        return ", ".join(letter for letter, system in letters.items() if system not in state.get(field, {}))

    if study.mode == "likert":
        for question in study.scale.questions:
            if names := without(f"scale:{question.id}"):
                lacking.append(f"“{question.text}”: {names}")
        return lacking
    if names := without("correct"):
        lacking.append(f"correct or not: {names}")
    wrong = [s for s, verdict in state.get("correct", {}).items() if verdict is False]
    if names := ", ".join(letter for letter, s in letters.items() if s in wrong and s not in state.get("reasons", {})):
        lacking.append(f"why not correct: {names}")
    if study.mode == "rank" and (names := without("rank")):
        lacking.append(f"rank: {names}")
    return lacking


def ranks(study: Study, state: State, systems: Sequence[str]) -> dict[str, float]:
    """Each system's rank on one item by one rater: 1 is best, ties share the mean of their places.

    ``rank``: as given. ``correct``: correct answers before others. ``pairs``: by wins, a tie as half of one. ``likert``: by the
    mean over the questions. A system that was not judged has none.
    """
    score = {system: float("nan") for system in systems}
    if study.mode == "rank":
        score |= {s: -float(rank) for s, rank in state.get("rank", {}).items()}
    elif study.mode == "correct":
        score |= {s: float(verdict) for s, verdict in state.get("correct", {}).items()}
    elif study.mode == "pairs":
        for key, preferred in state.get("prefer", {}).items():
            for system in key.split("\t"):
                won = 0.5 if preferred == TIE else float(preferred == system)
                score[system] = won + (0.0 if np.isnan(score[system]) else score[system])
    else:
        asked = [state.get(f"scale:{question.id}", {}) for question in study.scale.questions]
        score |= {s: float(np.mean([one[s] for one in asked])) for s in systems if all(s in one for one in asked)}
    places = mid_ranks([[-score[s] for s in systems]])[0]
    return {s: float(place) for s, place in zip(systems, places, strict=True) if not np.isnan(place)}
