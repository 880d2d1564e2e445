"""Six imaginary systems: what each answers, and how clinicians judge it.

A system sees the newest part of a record that its window holds. What it makes of an answer that it can see follows from its
skill; what it says of one that it cannot see is incomplete, evasive or wrong. So systems differ by window and by skill.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.suites.medalign.sample.script import Question


class System(NamedTuple):
    """An imaginary system."""

    name: str
    window: int | None
    """Tokens of record it sees; None: all of it, in steps."""
    weights: tuple[int, int, int, int, int]
    """How often it gives a full, close, partial, vague and wrong answer to what it sees."""


SYSTEMS = (
    System("juniper-refine", None, (42, 24, 16, 8, 10)),
    System("juniper-32k", 32_000, (46, 24, 14, 8, 8)),
    System("juniper-8k", 8_000, (44, 24, 16, 8, 8)),
    System("alder-13b", 8_000, (12, 24, 30, 18, 16)),
    System("alder-7b", 8_000, (8, 16, 34, 20, 22)),
    System("sorrel-7b", 2_000, (6, 12, 32, 22, 28)),
)
_QUALITY = {"full": 5.0, "close": 4.5, "partial": 3.0, "vague": 2.0, "absent": 2.0, "wrong": 1.0}
_LEADS = ("", "Based on the record, ", "According to the notes: ", "")
_ADDITIONS = (
    " The record holds nothing else on this.",
    " This is stated in the patient's chart.",
    " Please confirm with the treating team before acting on it.",
)
_VAGUE = (
    "The record refers to this in several places, but a definite answer cannot be given from the notes shown.",
    "The patient was seen in clinic several times. Vital signs and laboratory values were recorded and the plan was discussed.",
)
_ABSENT = ("The EHR provided does not contain this information.", "I could not find anything about this in the record.")


class Answer(NamedTuple):
    """What a system answered."""

    system: str
    text: str
    kind: str
    correct: bool


class Judgement(NamedTuple):
    """What one clinician said of one answer."""

    rank: str
    correct: bool


def answer_all(question: Question, golds: Sequence[str], tokens_after: float, rng: random.Random) -> list[Answer]:
    """Each system's answer to one instruction.

    Args:
        question: the instruction, its placeholders filled in.
        golds: the clinicians' answers.
        tokens_after: how much of the record follows the place of the answer, that place included.
        rng: the generator of this instruction.
    """
    answers = []
    for system in SYSTEMS:
        seen = system.window is None or tokens_after <= system.window
        if seen:
            kind = rng.choices(("full", "close", "partial", "vague", "wrong"), system.weights)[0]
        else:
            weight_of_wrong = system.weights[4] / 8
            kind = rng.choices(("partial", "absent", "vague", "wrong"), (2, 3, 1, weight_of_wrong))[0]
        correct = kind in ("full", "close") or (kind == "partial" and rng.random() < 0.4)
        answers.append(Answer(system.name, _text(kind, question, golds, rng), kind, correct))
    return answers


def _text(kind: str, question: Question, golds: Sequence[str], rng: random.Random) -> str:
    if kind == "full":
        lead, gold = rng.choice(_LEADS), golds[-1]
        return lead + (gold[0].lower() + gold[1:] if lead.endswith("record, ") and gold[1:2].islower() else gold)
    if kind == "close":
        return golds[0] + rng.choice(_ADDITIONS)
    if kind == "partial":
        return question.partial
    if kind == "wrong":
        return question.wrong
    return rng.choice(_VAGUE if kind == "vague" else _ABSENT)


def judge_all(answers: Sequence[Answer], rater: int, rng: random.Random) -> list[Judgement]:
    """One clinician's ranks and verdicts of the answers to one instruction.

    Answers that seem alike share a rank. The first clinician counts ranks as in sport (1, 2, 2, 4), the second without gaps
    (1, 2, 2, 3), the third gives the mean of the places (1, 2.5, 2.5, 4): a reader has to rank again.
    """
    marks = [round(_QUALITY[answer.kind] + rng.gauss(0, 0.5)) for answer in answers]
    judgements = []
    for answer, mark in zip(answers, marks, strict=True):
        better, equal = sum(other > mark for other in marks), marks.count(mark)
        rank = {1: str(1 + better), 2: str(1 + len({other for other in marks if other > mark}))}.get(
            rater, f"{better + (equal + 1) / 2:g}"
        )
        correct = answer.correct if rater == 1 or rng.random() < 0.9 else not answer.correct
        judgements.append(Judgement(rank, correct))
    return judgements
