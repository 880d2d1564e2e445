"""Who made a model, how large it is and what else it is called: a registry that people edit, ``models.yaml``.

The shipped one knows the models of the published tables; one in a folder of results adds to it and overrules it.
docs/leaderboard.md explains the keys.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MODELS_FILE = "models.yaml"
MAX_BYTES = 4 << 20
_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def _parameters(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMBT])", value.strip(), re.IGNORECASE)):
        return float(found.group(1)) * _UNITS[found.group(2).upper()]
    return value


class ModelCard(BaseModel):
    """One model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """As the site shows it."""
    aliases: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    """Other names under which results call the same model."""
    organisation: Annotated[str, Field(max_length=80)] = ""
    parameters: Annotated[float | None, BeforeValidator(_parameters), Field(gt=0, le=1e15)] = None
    """How many, all experts counted; ``7B`` is read."""
    open_weights: bool | None = None
    released: datetime.date | None = None
    licence: Annotated[str, Field(max_length=80)] = ""
    base: Annotated[str, Field(max_length=200)] = ""
    """What it was made from: another model's name."""


@dataclass(frozen=True)
class ModelRegistry:
    """Cards by name, and which name each alias stands for."""

    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """The name under which a model is shown; its own where nobody says otherwise."""
        return self.names.get(_key(name), name)

    def card(self, name: str) -> ModelCard | None:
        """What is known of a model, under any of its names."""
        return self.cards.get(self.name(name))


def read_models(folders: Iterable[Path]) -> tuple[ModelRegistry, list[str]]:
    """Read ``models.yaml`` of each folder, the later of two entries of one name counting.

    Returns:
        The registry of all entries without a fault, and every fault as one sentence that names file and entry: a key that is
        unknown or out of range, a name or alias that two models claim, a chain of ``base`` that leads back to its start.
    """
    cards: dict[str, tuple[ModelCard, str]] = {}
    faults: list[str] = []
    for folder in folders:
        path = folder / MODELS_FILE
        if not path.is_file():
            continue
        own, said = _read(path)
        faults += said
        cards.update({_key(card.name): (card, str(path)) for card in own})
    taken = {key: card.name for key, (card, _) in cards.items()}
    kept = {card.name: card for card, _ in cards.values()}
    for card, place in cards.values():
        for alias in card.aliases:
            if (other := taken.setdefault(_key(alias), card.name)) != card.name:
                faults.append(
                    f"{place}: '{alias[:60]}' stands for '{card.name[:60]}' and for '{other[:60]}': the first one is used"
                )
    for card, place in cards.values():
        if (cycle := _cycle(card.name, kept)) is not None:
            faults.append(f"{place}: the base of '{card.name[:60]}' leads back to it ({' → '.join(cycle)[:200]}): left out")
    in_cycle = {card.name for card, _ in cards.values() if _cycle(card.name, kept) is not None}
    kept = {name: card.model_copy(update={"base": ""}) if name in in_cycle else card for name, card in kept.items()}
    return ModelRegistry(kept, taken), faults


def _read(path: Path) -> tuple[list[ModelCard], list[str]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            return [], [f"{path}: larger than {MAX_BYTES >> 20} MiB, so not a list of models"]
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        return [], [f"{path}{'' if line is None else f':{line + 1}'}: is not YAML ({type(error).__name__})"]
    entries = data.get("models") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return [], [f"{path}: expected a list under the key 'models'"]
    cards: dict[str, ModelCard] = {}
    faults: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            card = ModelCard.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part)[:40] for part in first["loc"]) or "the entry"
            faults.append(f"{path}, entry {number}: {key}: {first['msg']}; left out")
            continue
        if _key(card.name) in cards:
            faults.append(f"{path}, entry {number}: '{card.name[:60]}' stands twice; the first entry is used")
            continue
        cards[_key(card.name)] = card
    return list(cards.values()), faults


def _key(name: str) -> str:
    return " ".join(name.split())


def _cycle(name: str, cards: Mapping[str, ModelCard]) -> list[str] | None:
    """The chain of bases from a model back to itself, if there is one."""
    chain = [name]
    while (card := cards.get(chain[-1])) is not None and card.base:
        if card.base == name:
            return [*chain, name]
        if card.base in chain:
            return None
        chain.append(card.base)
    return None
