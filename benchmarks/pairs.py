"""Answers and gold answers that look like clinical notes, from a seeded generator: nothing real is in them."""

from __future__ import annotations

import random

_OPENERS = ["Patient", "She", "He", "The patient", "Mother", "Follow up:", "Assessment:", "Plan:", "On exam,", "Per cardiology,"]
_VERBS = [
    "denies",
    "reports",
    "was started on",
    "continues",
    "had",
    "was noted to have",
    "is followed for",
    "completed",
    "presented with",
]
_THINGS = (  # noqa: SIM905
    "chest pain|shortness of breath|lower extremity edema|metformin 500 mg twice daily|lisinopril 10mg|type 2 diabetes mellitus|"
    "stage 3 chronic kidney disease|atrial fibrillation|a right upper lobe nodule|an elevated creatinine of 1.8|HbA1c of 7.4%|"
    "no acute distress|community-acquired pneumonia|the last colonoscopy|adjuvant chemotherapy|physical therapy|blood pressure "
    "of 142/88 mmHg|intermittent headaches|left knee replacement|warfarin with INR goal 2.0-3.0|nausea and vomiting|fatigue"
).split("|")
_ENDS = [
    "on 03/14/2019",
    "since last visit",
    "without complication",
    "for six weeks",
    "per oncology (Dr. Smith)",
    "at baseline",
    "in 2018",
    "",
]
_SWAPS = {
    "denies": "reports no",
    "had": "has had",
    "patient": "pt",
    "physical": "occupational",
    "elevated": "raised",
    "pain": "discomfort",
}


def _sentence(rng: random.Random, names: list[str]) -> str:
    parts = [rng.choice(_OPENERS), rng.choice(_VERBS), rng.choice(_THINGS), rng.choice(["and", "with", "after", "despite"])]
    parts += [rng.choice(_THINGS), rng.choice(names), rng.choice(_ENDS)]
    return " ".join(part for part in parts if part) + rng.choice([".", ".", ".", ";", "?"])


def make_pairs(n: int, tokens: int = 60, seed: int = 0) -> list[tuple[str, str]]:
    """Make n pairs (answer, reference) of about so many words; an answer keeps about two thirds of its reference."""
    rng = random.Random(seed)
    # A tail of rare words, as names of drugs, places and people make one.
    syllables = ["ba", "cor", "dex", "fen", "glo", "lim", "mab", "nol", "pri", "tin", "vas", "zol", "ra", "sy", "mu"]
    names = ["".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(4000)]
    pairs = []
    for _ in range(n):
        reference: list[str] = []
        while len(reference) < tokens:
            reference += _sentence(rng, names).split()
        answer = []
        for word in reference:
            chance = rng.random()
            if chance < 0.16:
                continue
            answer.append(rng.choice(reference) if chance < 0.3 else _SWAPS.get(word, word))
        pairs.append((" ".join(answer), " ".join(reference)))
    return pairs
