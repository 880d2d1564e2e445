"""Who the invented patients are and what happened to them: read from ``stories.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Story:
    """One patient with one hospital admission and one stay in intensive care."""

    number: int
    name: str
    who: Mapping[str, Any]
    """``gender, age, race, insurance, marital_status``."""
    came: Mapping[str, str]
    """``kind`` and ``place`` of the admission (``EMERGENCY ROOM`` gives a stay there) and the ``complaint``."""
    stayed: Mapping[str, Any]
    """``hours`` in hospital, ``unit`` of intensive care, whether the patient ``died`` or came ``back_after_days``."""
    diagnoses: tuple[str, ...]
    """Keys of ``tables.DIAGNOSES``, the main one first."""
    drugs: tuple[str, ...]
    """Keys of ``tables.DRUGS``."""
    procedures: tuple[str, ...]
    culture: str
    """Organism of a blood culture, or nothing."""
    labs: Mapping[str, float]
    """Laboratory values that begin at so many times their normal one and return to it."""
    note: Mapping[str, str]
    """A ``question`` with ``answer`` of the kind that a language model wrote from a discharge summary."""

    @property
    def died(self) -> bool:
        """In hospital."""
        return bool(self.stayed.get("died"))

    @property
    def subject_id(self) -> int:
        """Far outside the range of MIMIC-IV."""
        return 90_000_001 + self.number

    @property
    def hadm_id(self) -> int:
        """Far outside the range of MIMIC-IV."""
        return 91_000_001 + self.number

    @property
    def stay_id(self) -> int:
        """Far outside the range of MIMIC-IV."""
        return 92_000_001 + self.number


def load_stories() -> tuple[Story, ...]:
    """The invented patients, in the order of the file."""
    import yaml

    text = Path(__file__).with_name("stories.yaml").read_text(encoding="utf-8")
    stories = []
    for number, row in enumerate(yaml.safe_load(text)["patients"]):
        lists: dict[str, Any] = {name: tuple(row.pop(name)) for name in ("diagnoses", "drugs", "procedures")}
        stories.append(Story(number=number, culture=row.pop("culture", ""), **lists, **row))
    return tuple(stories)
