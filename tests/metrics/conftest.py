"""Answers and gold answers in the manner of clinical notes, made by a seeded generator."""

from __future__ import annotations

import random

import pytest

WORDS = """
patient denies chest pain dyspnea fever chills started on metformin lisinopril atorvastatin dose increased for
hypertension diabetes mellitus chronic kidney disease stage follow up with cardiology creatinine was stable at the
last visit no evidence of recurrence CT showed small nodule unchanged since MRI brain without contrast he she has had
not been taking medications medication doctors doctor physician tumors tumour swelling swollen running ran can't won't
""".split()  # noqa: SIM905
MARKS = [
    "120/80",
    "5.4%",
    "7,500",
    "3.5mg",
    "q.d.",
    "p.o.",
    "2018-03-04",
    "04/12/2017",
    "(stable)",
    '"none"',
    "A&P:",
    "HbA1c",
    "T2DM;",
    "--",
]
HOSTILE = [
    "",
    " ",
    "\n",
    ".",
    "..",
    "Yes",
    "yes.",
    "No acute distress.",
    "&quot;no&quot; &amp; <skipped>yes&lt;5",
    "line-\nbreak and\nnext",
    "Größe 5 µg – naïve café",
    "患者は安定している。",
    "\u212aelvin 300\u00a0K\u3000wide",
    "a\u2028b\x1cc",
    "...,,,---!!!",
    "1,000.50-2.5,x.y,.5-a",
    "'tis gonna can't (don't) \"quoted\" ''double'' `tick`",
    "the a an",
    "((nested) brackets)) [1]",
    "😀 emoji 😀",
]


def _sentence(rng: random.Random) -> str:
    words = [rng.choice(MARKS) if rng.random() < 0.12 else rng.choice(WORDS) for _ in range(rng.randint(1, 14))]
    return " ".join(words).capitalize() + rng.choice([".", ".", "?", ":", ""])


def _edit(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    for _ in range(rng.randint(0, 1 + len(words) // 2)):
        at = rng.randrange(len(words) + 1)
        kind = rng.random()
        if kind < 0.4 and words:
            words[min(at, len(words) - 1)] = rng.choice(WORDS + MARKS)
        elif kind < 0.7 and words:
            del words[min(at, len(words) - 1)]
        else:
            words.insert(at, rng.choice(WORDS))
    return " ".join(words)


def make_pairs(n: int, seed: int = 0) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    pairs = []
    for _ in range(n):
        reference = rng.choice([" ", "\n", "  "]).join(_sentence(rng) for _ in range(rng.randint(1, 5)))
        pairs.append((_edit(rng, reference) if rng.random() < 0.8 else _sentence(rng), reference))
    return pairs


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """Three hundred plausible pairs and every combination of awkward texts."""
    return make_pairs(300) + [(a, r) for a in HOSTILE for r in HOSTILE]
