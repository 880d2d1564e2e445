"""The closed sets of labels, and which of them a text names.

A label is named where its words stand in the text as whole words, whatever the case, accents and marks between them; the longest
label wins where two overlap, and one right after "not" is not named. A text that names exactly one label is an answer; one
that names several is ambiguous, one that names none cannot be parsed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
SHORT = 100
"""Characters of a text that is remembered with what it names."""
_NEGATIONS = frozenset(("not", "non"))


class LabelSet(NamedTuple):
    """Labels in the release's spelling, and what else people call them."""

    labels: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()
    """Other names, each with its label."""
    words: tuple[tuple[str, str], ...] = ()
    """Names that count only where a text holds no label and no other name."""


NLI = LabelSet(
    ("entailment", "neutral", "contradiction"),
    (
        *((word, "entailment") for word in ("entail", "entails", "entailed")),
        *((word, "contradiction") for word in ("contradict", "contradicts", "contradicted", "contradictory")),
    ),
)
HEALTH_FACT = LabelSet(("0", "1", "2"), words=(("false", "0"), ("mixture", "1"), ("mixed", "1"), ("true", "2")))
"""PUBHEALTH's order: false, mixture, true."""

HALLMARKS = LabelSet(
    (
        "sustaining proliferative signaling",
        "evading growth suppressors",
        "resisting cell death",
        "enabling replicative immortality",
        "inducing angiogenesis",
        "activating invasion and metastasis",
        "genomic instability and mutation",
        "tumor promoting inflammation",
        "cellular energetics",
        "avoiding immune destruction",
    ),
    (
        ("sustaining proliferative signalling", "sustaining proliferative signaling"),
        ("genome instability and mutation", "genomic instability and mutation"),
        ("tumour promoting inflammation", "tumor promoting inflammation"),
    ),
)
"""The ten hallmarks of cancer, in the reference's order."""

DDXPLUS = LabelSet(
    (
        *("Acute COPD exacerbation / infection", "Acute dystonic reactions", "Acute laryngitis", "Acute otitis media"),
        *("Acute pulmonary edema", "Acute rhinosinusitis", "Allergic sinusitis", "Anaphylaxis", "Anemia", "Atrial fibrillation"),
        *("Boerhaave", "Bronchiectasis", "Bronchiolitis", "Bronchitis", "Bronchospasm / acute asthma exacerbation", "Chagas"),
        *("Chronic rhinosinusitis", "Cluster headache", "Croup", "Ebola", "Epiglottitis", "GERD", "Guillain-Barré syndrome"),
        *("HIV (initial infection)", "Influenza", "Inguinal hernia", "Larygospasm", "Localized edema", "Myasthenia gravis"),
        *("Myocarditis", "PSVT", "Pancreatic neoplasm", "Panic attack", "Pericarditis", "Pneumonia"),
        *("Possible NSTEMI / STEMI", "Pulmonary embolism", "Pulmonary neoplasm", "SLE", "Sarcoidosis"),
        *("Scombroid food poisoning", "Spontaneous pneumothorax", "Spontaneous rib fracture", "Stable angina", "Tuberculosis"),
        *("URTI", "Unstable angina", "Viral pharyngitis", "Whooping cough"),
    ),
    (
        ("Laryngospasm", "Larygospasm"),
        ("Systemic lupus erythematosus", "SLE"),
        ("Gastroesophageal reflux disease", "GERD"),
        ("Upper respiratory tract infection", "URTI"),
        ("Paroxysmal supraventricular tachycardia", "PSVT"),
    ),
)
"""The 49 pathologies of DDXPlus."""

_INTRAOPERATIVE_AND_OTHER = "Intraoperative radiation with other radiation before/after surgery"
SEER = LabelSet(
    (
        "No radiation and/or cancer-directed surgery",
        "Radiation prior to surgery",
        "Radiation after surgery",
        "Radiation before and after surgery",
        "Intraoperative radiation",
        _INTRAOPERATIVE_AND_OTHER,
        "Surgery both before and after radiation",
        "Sequence unknown, but both were given",
    ),
    (
        ("Intraoperative rad with other rad before/after surgery", _INTRAOPERATIVE_AND_OTHER),
        ("Radiation before surgery", "Radiation prior to surgery"),
    ),
)
"""SEER's sequence of radiation and surgery; the release's definition lists seven."""


def normal_words(text: str) -> tuple[str, ...]:
    """Words in lower case without accents; "&" is "and", marks are left out, a decimal number stays one word."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return tuple(_WORD.findall(plain.casefold().replace("&", " and ")))


@lru_cache(maxsize=256)
def _names(known: LabelSet) -> list[tuple[tuple[str, ...], str]]:
    """Words of each name with its label, longest first."""
    names = {normal_words(name): label for name, label in known.also}
    names.update((normal_words(label), label) for label in known.labels)
    return sorted(names.items(), key=lambda pair: (-len(pair[0]), pair[0]))


def named_labels(text: str, known: LabelSet) -> tuple[str, ...]:
    """The distinct labels that a text names, in the set's order."""
    return _short(text, known) if len(text) <= SHORT else _named(text, known)


def _named(text: str, known: LabelSet) -> tuple[str, ...]:
    said = normal_words(text)
    found = _find(said, _names(known))
    if not found:
        found = _find(said, [((name,), label) for name, label in known.words])
    return tuple(label for label in known.labels if label in found)


_short = lru_cache(maxsize=1 << 14)(_named)
"""Labels themselves are asked for over and over."""


def _find(said: Sequence[str], names: Sequence[tuple[tuple[str, ...], str]]) -> set[str]:
    free = list(said)
    present = set(said)
    found = set()
    for words, label in names:
        if not words or not present.issuperset(words):
            continue
        for start in range(len(free) - len(words) + 1):
            if tuple(free[start : start + len(words)]) == words:
                free[start : start + len(words)] = [""] * len(words)
                if not (start and said[start - 1] in _NEGATIONS):
                    found.add(label)
    return found


@lru_cache(maxsize=1 << 10)
def with_choices(known: LabelSet, choices: tuple[str, ...]) -> LabelSet:
    """The set that an item's own choices make, where it has any."""
    if not choices:
        return known
    own = {normal_words(label): label for label in choices}
    also, words = (
        tuple((name, own[normal_words(label)]) for name, label in names if normal_words(label) in own)
        for names in (known.also, known.words)
    )
    return LabelSet(choices, also, words)
