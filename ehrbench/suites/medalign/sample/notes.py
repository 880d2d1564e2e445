"""The text of the sample's notes: a planted passage, or filler from the vocabulary, in the shape clinicians write."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ehrbench.suites.medalign.sample.script import Fact, Patient, Vocabulary

if TYPE_CHECKING:
    from ehrbench.suites.medalign.sample.visit import Visit

_TITLES = {"office": "Progress Note", "phone": "Telephone Encounter", "lab": "Laboratory Note", "ed": "Emergency Department Note"}


class NoteWriter:
    """Writes one patient's notes."""

    def __init__(self, patient: Patient, vocabulary: Vocabulary, rng: random.Random) -> None:
        self._patient, self._words, self._random = patient, vocabulary, rng

    def usual_specialty(self, kind: str) -> str:
        """Who sees the patient when nothing is planted."""
        if kind == "inpatient":
            return "Hospital Medicine"
        return "Internal Medicine"

    def _some(self, pool: str, least: int, most: int) -> str:
        phrases = self._words.phrases[pool]
        chosen = sorted(self._random.sample(range(len(phrases)), min(self._random.randint(least, most), len(phrases))))
        return " ".join(phrases[i] for i in chosen)

    def _header(self, title: str, visit: Visit) -> str:
        patient = self._patient
        day = visit.start.date()
        age = day.year - patient.born.year - ((day.month, day.day) < (patient.born.month, patient.born.day))
        name, specialty = visit.provider
        return (
            f"{self._words.facility} (SYNTHETIC), {specialty}. {title}. Date of service: {day.month}/{day.day}/{day.year}. "
            f"Provider: {name}, MD. {age} year old {patient.sex.lower()}."
        )

    def _medications(self, visit: Visit) -> str:
        drugs = [drug.name for drug in self._patient.drugs_on(visit.start.date())]
        return "Current medications: " + ("; ".join(drugs) if drugs else "none") + "."

    def _problems(self, part: str) -> list[str]:
        lines = []
        for condition in self._patient.conditions:
            entry = self._words.conditions[condition]
            phrases: Sequence[str] = entry[part]
            chosen = self._random.sample(list(phrases), self._random.randint(1, len(phrases)))
            lines.append(f"{entry['name']}: " + " ".join(chosen))
        return lines

    def _long(self, header: str, history: str, visit: Visit) -> str:
        parts = [
            header,
            "HISTORY OF PRESENT ILLNESS: " + " ".join([history, *self._problems("history")]),
            "REVIEW OF SYSTEMS: " + self._some("systems_review", 4, 9),
            self._medications(visit),
            "EXAMINATION: Vital signs as recorded. " + self._some("examination", 4, 8),
            "ASSESSMENT AND PLAN:\n" + "\n".join(f"{i}. {line}" for i, line in enumerate(self._problems("plan"), 1)),
            self._some("closings", 2, 4),
        ]
        return "\n".join(part for part in parts if not part.endswith(":\n"))

    def contact(self, visit: Visit, fact: Fact | None) -> tuple[str, str]:
        """Title and text of the note of a visit that ends the same day."""
        if fact is not None:
            header = self._header(fact.note, visit)
            if visit.kind in ("imaging", "message") or "Report" in fact.note or self._patient.target_tokens < 3000:
                return fact.note, f"{header}\n{fact.text}"
            return fact.note, self._long(header, fact.text, visit)
        title = _TITLES[visit.kind]
        header = self._header(title, visit)
        if visit.kind == "phone":
            return title, f"{header}\n{self._random.choice(self._words.phrases['phone'])}"
        if visit.kind == "lab":
            return title, f"{header}\n{self._some('lab_comment', 1, 2)}"
        opening = self._random.choice(self._words.phrases["openings"])
        if self._patient.target_tokens < 3000:
            return title, f"{header}\n{opening} {self._some('examination', 2, 3)} {self._some('closings', 1, 2)}"
        return title, self._long(header, opening, visit)

    def hospital_day(self, visit: Visit, number: int, reason: Sequence[str] | None) -> list[tuple[str, str]]:
        """Title and text of a day's two notes: the team's and the nurses'."""
        begins = f" Admitted with {reason[2]}." if number == 0 and reason else ""
        team = "Inpatient Progress Note"
        text = (
            f"{self._header(team, visit)}\nHospital day {number + 1}.{begins} {self._some('hospital_course', 2, 4)}\n"
            f"EXAMINATION: {self._some('examination', 3, 6)}\nPLAN:\n" + "\n".join(self._problems("plan"))
        )
        nursing = "Nursing Note"
        return [(team, text), (nursing, f"{self._header(nursing, visit)}\n{self._some('nursing', 3, 6)}")]

    def discharge(self, visit: Visit, days: int, fact: Fact | None, reason: Sequence[str]) -> tuple[str, str]:
        """Title and text of the note that ends a stay."""
        title = fact.note if fact else "Discharge Summary"
        course = fact.text if fact else f"Admitted with {reason[2]}. Diagnosis: {reason[3]}. Recovered and discharged home."
        return title, (
            f"{self._header(title, visit)}\nLength of stay: {days} days.\nHOSPITAL COURSE: {course}\n{self._medications(visit)}\n"
            f"{self._some('closings', 1, 3)}"
        )
