"""The script of the sample: its patients, what their records hold and what is asked, as written in the YAML files beside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

FIRST_PATIENT = 700_000_000


class Quantity(NamedTuple):
    """A laboratory value: how it is named and what is usual."""

    code: str
    name: str
    unit: str
    decimals: int
    usual: float
    spread: float


class Drug(NamedTuple):
    """A drug and when it was taken."""

    code: str
    name: str
    start: date
    stop: date
    """The first day without it; ``date.max`` while it is taken."""


class Fact(NamedTuple):
    """A planted visit, whose note holds what is asked about."""

    day: date
    visit: str
    days: int
    specialty: str
    note: str
    text: str


class Question(NamedTuple):
    """An instruction and every answer to it, with placeholders for generated values."""

    question: str
    subcategory: str
    asker: str
    answers: tuple[str, ...]
    """By one clinician or by three."""
    partial: str
    wrong: str
    evidence: str
    day: date
    """When the record says what is asked."""


@dataclass(frozen=True)
class Patient:
    """One invented patient."""

    id: str
    sex: str
    born: date
    first_day: date
    last_day: date
    dialect: str
    target_tokens: int
    hospital: bool
    """Whether filler visits include hospital stays."""
    height_cm: int
    weights_kg: tuple[float, float]
    """At the first and the last visit."""
    systolic: tuple[float, float]
    conditions: tuple[str, ...]
    drugs: tuple[Drug, ...]
    trends: dict[str, tuple[float, float]]
    """Laboratory values that move between the first and the last visit."""
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]

    def drugs_on(self, day: date) -> list[Drug]:
        """What is taken on a day."""
        return [drug for drug in self.drugs if drug.start <= day < drug.stop]


@dataclass(frozen=True)
class Vocabulary:
    """Words and codes that records are put together from."""

    facility: str
    labs: dict[str, Quantity]
    panels: dict[str, list[str]]
    vitals: dict[str, tuple[str, str, str]]
    conditions: dict[str, dict[str, Any]]
    phrases: dict[str, list[str]]
    hospital_reasons: list[list[str]]
    providers: list[tuple[str, str]]


def _patient(raw: dict[str, Any]) -> Patient:
    first_day, last_day = raw["years"]
    height, *weights = raw["body"]
    return Patient(
        id=str(FIRST_PATIENT + raw["patient"]),
        sex=raw["sex"],
        born=raw["born"],
        first_day=first_day,
        last_day=last_day,
        dialect=raw.get("dialect", "lumia"),
        target_tokens=int(raw["ktokens"] * 1000),
        hospital=raw.get("hospital", False),
        height_cm=height,
        weights_kg=(weights[0], weights[1]),
        systolic=(raw["pressure"][0], raw["pressure"][1]),
        conditions=tuple(raw["conditions"]),
        drugs=tuple(Drug(code, name, start, stop[0] if stop else date.max) for code, name, start, *stop in raw["drugs"]),
        trends={lab: (ends[0], ends[1]) for lab, ends in raw.get("labs", {}).items()},
        facts=tuple(
            Fact(fact["date"], fact["visit"], fact.get("days", 1), fact["specialty"], fact["note"], fact["text"].strip())
            for fact in raw["facts"]
        ),
        questions=tuple(
            Question(
                question=one["question"],
                subcategory=one["category"],
                asker=one["asker"],
                answers=tuple(one["answers"]),
                partial=one["partial"],
                wrong=one["wrong"],
                evidence=one["evidence"],
                day=last_day if one["fact"] == "end" else one["fact"],
            )
            for one in raw["instructions"]
        ),
    )


def load_script() -> tuple[Vocabulary, list[Patient]]:
    """Read the vocabulary and the patients."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    here = Path(__file__).parent
    words, patients = (
        yaml.load((here / name).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader
        for name in ("vocabulary.yaml", "patients.yaml")
    )
    lists = ("openings", "systems_review", "examination", "closings", "nursing", "hospital_course", "phone", "lab_comment")
    vocabulary = Vocabulary(
        facility=words["facility"],
        labs={name: Quantity(*fields) for name, fields in words["labs"].items()},
        panels=words["panels"],
        vitals={name: (code, title, unit) for name, (code, title, unit) in words["vitals"].items()},
        conditions=words["conditions"],
        phrases={name: words[name] for name in lists},
        hospital_reasons=words["hospital_reasons"],
        providers=[(name, specialty) for name, specialty in words["providers"]],
    )
    return vocabulary, [_patient(raw) for raw in patients]
