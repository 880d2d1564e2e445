"""A patient's visits: the planted ones, and filler between them until the record has its size.

What a visit shows follows from its date (drugs taken, trends of values), so filler never contradicts what is planted. Each
patient has a random generator of their own, seeded by their number: a change to one leaves the others' records as they are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from ehrbench.suites.medalign.sample.notes import NoteWriter
from ehrbench.suites.medalign.sample.script import Fact, Patient, Vocabulary
from ehrbench.suites.medalign.sample.visit import Event, Visit

CHARACTERS_PER_TOKEN = 3.0


class Value(NamedTuple):
    """One generated laboratory value."""

    day: date
    value: float
    text: str
    """With its unit."""


@dataclass(frozen=True)
class Timeline:
    """A patient's visits, oldest first."""

    visits: list[Visit]
    values: dict[str, list[Value]]
    """Laboratory values by name, oldest first."""


class _Builder:
    def __init__(self, patient: Patient, vocabulary: Vocabulary) -> None:
        self.patient, self.vocabulary = patient, vocabulary
        self.random = random.Random(f"ehrbench medalign sample 1, patient {patient.id}")
        self.notes = NoteWriter(patient, vocabulary, self.random)
        self.values: dict[str, list[Value]] = {}
        self.days_span = max((patient.last_day - patient.first_day).days, 1)
        self.taken = {patient.first_day, patient.last_day}

    def between(self, ends: tuple[float, float], day: date) -> float:
        share = (day - self.patient.first_day).days / self.days_span
        return ends[0] + (ends[1] - ends[0]) * share

    def vitals(self, when: datetime) -> list[Event]:
        patient, noise = self.patient, self.random
        systolic = round(self.between(patient.systolic, when.date()) + noise.gauss(0, 5))
        readings = {
            "systolic": str(systolic),
            "diastolic": str(round(systolic * 0.58 + noise.gauss(0, 3))),
            "pulse": str(round(74 + noise.gauss(0, 6))),
            "breaths": str(noise.choice((14, 15, 16, 16, 17, 18))),
            "temperature": f"{36.7 + noise.gauss(0, 0.2):.1f}",
            "saturation": str(noise.choice((96, 97, 97, 98, 98, 99))),
            "weight": f"{self.between(patient.weights_kg, when.date()) + noise.gauss(0, 0.4):.1f}",
            "height": str(patient.height_cm),
        }
        return [Event(when, "measurement", *self.vocabulary.vitals[name], text) for name, text in readings.items()]

    def labs(self, when: datetime) -> list[Event]:
        names = [*self.vocabulary.panels["metabolic"], *self.vocabulary.panels["count"], *self.patient.trends]
        for condition in self.patient.conditions:
            names += self.vocabulary.conditions[condition].get("labs", [])
        events = []
        for name in dict.fromkeys(names):
            lab = self.vocabulary.labs[name]
            trend = self.patient.trends.get(name, (lab.usual, lab.usual))
            spread = lab.spread * max(trend) / lab.usual if max(trend) > lab.usual else lab.spread
            number = max(self.between(trend, when.date()) + self.random.gauss(0, spread / 2), lab.spread)
            text = f"{number:.{lab.decimals}f}"
            self.values.setdefault(name, []).append(Value(when.date(), float(text), f"{text} {lab.unit}".strip()))
            events.append(Event(when, "measurement", lab.code, lab.name, lab.unit, text))
        return events

    def visit(self, kind: str, day: date, fact: Fact | None) -> Visit:
        specialty = fact.specialty if fact else self.notes.usual_specialty(kind)
        provider = next(provider for provider in self.vocabulary.providers if provider[1] == specialty)
        minute = self.random.randrange(0, 8 * 60, 5)
        start = datetime.combine(day, time(8)) + timedelta(minutes=minute)
        visit = Visit(kind, start, provider)
        self.taken.add(day)
        if kind == "inpatient":
            self.stay(visit, fact)
        else:
            self.contact(visit, fact)
        end = max(event.time for event in visit.events) + timedelta(minutes=15)
        visit.events[:0] = [Event(start, "visit", visit.code, visit.name, "", "start")]
        # As in the release, where billing codes are stamped with the end of the visit.
        for condition in self.patient.conditions:
            entry = self.vocabulary.conditions[condition]
            visit.events.append(Event(end, "condition", entry["code"], entry["name"], "", ""))
        visit.events.append(Event(end, "visit", visit.code, visit.name, "", "end"))
        return visit

    def contact(self, visit: Visit, fact: Fact | None) -> None:
        after = visit.start + timedelta(minutes=10)
        if visit.kind in ("office", "ed"):
            visit.events += self.vitals(after)
            for drug in self.patient.drugs_on(visit.start.date()):
                visit.events.append(Event(after + timedelta(minutes=15), "drug_exposure", drug.code, drug.name, "", "start|end"))
        draws = visit.kind in ("lab", "ed") or (visit.kind == "office" and self.random.random() < 0.6)
        if draws or (visit.kind == "office" and visit.start.date() in (self.patient.first_day, self.patient.last_day)):
            visit.events += self.labs(after + timedelta(minutes=25))
        title, text = self.notes.contact(visit, fact)
        visit.events.append(Event(after + timedelta(minutes=50), "note", "LOINC/34109-9", title, "", text))

    def stay(self, visit: Visit, fact: Fact | None) -> None:
        days = fact.days if fact else self.random.randint(2, 4)
        reason = self.random.choice(self.vocabulary.hospital_reasons)
        if fact is None:
            visit.events.append(Event(visit.start, "condition", reason[0], reason[1], "", ""))
        for number in range(days):
            morning = datetime.combine(visit.start.date() + timedelta(days=number), time(6 if number else 18))
            self.taken.add(morning.date())
            visit.events += [*self.vitals(morning), *self.labs(morning + timedelta(minutes=20))]
            for hours, (title, text) in zip(
                (1, 3), self.notes.hospital_day(visit, number, reason if fact is None else None), strict=True
            ):
                visit.events.append(Event(morning + timedelta(hours=hours), "note", "LOINC/11506-3", title, "", text))
        title, text = self.notes.discharge(visit, days, fact, reason)
        leaving = visit.events[-1].time + timedelta(hours=2)
        visit.events.append(Event(leaving, "note", "LOINC/18842-5", title, "", text))

    def filler_day(self, kind: str) -> date | None:
        """A day for a filler visit, clear of the others; None where no such day was found."""
        clear = 45 if kind == "inpatient" else 5
        for _ in range(20):
            day = self.patient.first_day + timedelta(days=self.random.randrange(1, max(self.days_span - clear, 2)))
            stay = {day + timedelta(days=number) for number in range(4 if kind == "inpatient" else 1)}
            if stay.isdisjoint(self.taken) and all(abs((day - fact.day).days) > clear for fact in self.patient.facts):
                return day
        return None


def build_timeline(patient: Patient, vocabulary: Vocabulary) -> Timeline:
    """The visits of one patient; about ``target_tokens`` long once rendered."""
    builder = _Builder(patient, vocabulary)
    visits = [builder.visit(fact.visit, fact.day, fact) for fact in patient.facts]
    planted = {fact.day for fact in patient.facts}
    visits += [builder.visit("office", day, None) for day in (patient.first_day, patient.last_day) if day not in planted]
    size, target = sum(visit.size() for visit in visits), patient.target_tokens * CHARACTERS_PER_TOKEN
    kinds = ["office"] * 6 + ["lab", "lab", "phone", "phone"] + ["inpatient"] * (2 if patient.hospital else 0)
    misses = 0
    while size < target and misses < 20:
        kind = builder.random.choice(kinds)
        day = builder.filler_day(kind)
        if day is None:
            misses += 1
            continue
        visit = builder.visit(kind, day, None)
        if size + visit.size() > target * 1.1:
            misses += 1
            continue
        visits.append(visit)
        size += visit.size()
    visits.sort(key=lambda visit: visit.start)
    return Timeline(visits, {name: sorted(values) for name, values in builder.values.items()})
