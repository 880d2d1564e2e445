"""A study as its plan says it: ``study.yaml``, written by ``rate plan``, edited by people, checked whenever it is read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data
from ehrbench.jsonl import write_atomically
from ehrbench.runs.folder import RunFolder

Mode = Literal["rank", "correct", "pairs", "likert"]
MODES: tuple[Mode, ...] = ("rank", "correct", "pairs", "likert")
MAX_SYSTEMS = 26
"""Answers are called A to Z."""
FILE = "study.yaml"
CONSENSUS = "consensus"
"""Under which name an adjudication is kept; nobody who rates may be called so."""

CRITERIA = {
    "not_appropriate": "The answer is not appropriate, given what the record holds.",
    "changes_interpretation": "It holds an error that would change how a clinician reads the case.",
    "does_not_address": "It does not address the instruction.",
}
"""MedAlign's written criteria: an answer that meets none of them is correct."""
TAGS = {
    "fabricated": "Fabricated: states what is nowhere in the record",
    "omitted": "Omitted: leaves out what matters",
    "outdated": "Outdated: true once, not any more",
    "wrong_fact": "Wrong patient fact: contradicts the record",
    "unsafe": "Unsafe: acting on it could harm",
}
_HEADER = """\
# The plan of a rating study. Read it, change what you like before the first rating, and start: ehrbench rate serve THIS-FOLDER
# It holds ids and names, no text of a record. The names of the systems are what raters must not know: do not show them this file.
"""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class System(_Part):
    """One run whose answers are judged."""

    name: str
    folder: str
    """The run's, absolute or from the study's folder."""
    config_hash: str
    answers_hash: str
    """Of the answers to the planned items: a run that changed since the plan is refused."""


class Rater(_Part):
    """One person who judges."""

    name: str = Field(pattern=r"^[^\s/\\<>&\"'][^/\\<>&\"'\n]{0,59}$")
    specialty: str = ""


class Question(_Part):
    """One thing that is asked of each answer in ``likert`` mode."""

    id: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    text: str


class Scale(_Part):
    """A rating scale: its levels, lowest first, with their words, and what is rated on it."""

    levels: dict[int, str] = Field(
        default={1: "not at all", 2: "slightly", 3: "somewhat", 4: "mostly", 5: "fully"}, min_length=2, max_length=11
    )
    questions: tuple[Question, ...] = Field(
        default=(
            Question(id="accurate", text="What it says is true of this patient."),
            Question(id="thorough", text="It covers what matters for the instruction."),
            Question(id="useful", text="I would use it in my work."),
            Question(id="organized", text="It is ordered so that I find what I need."),
            Question(id="comprehensible", text="It is clear, without ambiguity."),
            Question(id="succinct", text="It is as short as it can be."),
        ),
        min_length=1,
    )


class Study(_Part):
    """Everything that a study is, but the ratings."""

    version: Literal[1] = 1
    title: str
    mode: Mode = "rank"
    task: str
    data_dir: str
    data_hash: str
    policy: Literal["open", "credentialed"]
    synthetic: bool = False
    seed: int = 0
    show_gold: bool = False
    systems: tuple[System, ...] = Field(min_length=2, max_length=MAX_SYSTEMS)
    raters: tuple[Rater, ...] = Field(min_length=1)
    criteria: dict[str, str] = CRITERIA
    tags: dict[str, str] = TAGS
    scale: Scale = Scale()
    power: tuple[str, ...] = ()
    """What the plan can see, with the assumptions."""
    assignments: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Item to its readers. The first reader's judgement is the one that counts where one has to ("used")."""

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        for what, names in (("rater", [r.name for r in self.raters]), ("system", [s.name for s in self.systems])):
            if twice := [name for name, n in Counter(names).items() if n > 1]:
                raise ValueError(f"{what} '{twice[0]}' is there twice; give each a name of its own")
        known = {rater.name for rater in self.raters}
        if CONSENSUS in known:
            raise ValueError(f"a rater is called '{CONSENSUS}', which is the name of adjudications; give them another name")
        for item, readers in self.assignments.items():
            if unknown := [name for name in readers if name not in known]:
                raise ValueError(f"assignments: item {item} is assigned to '{unknown[0]}', who is not among the raters")
            if len(set(readers)) != len(readers):
                raise ValueError(f"assignments: item {item} is assigned to one rater twice")
        return self

    def items_of(self, rater: str) -> list[str]:
        """What one rater reads, in the plan's order."""
        return [item for item, readers in self.assignments.items() if rater in readers]

    def frozen(self) -> str:
        """Hash of what may not change once somebody has rated: the mode, what is asked, and what decides the blinding."""
        asked = {"rank": self.criteria, "correct": self.criteria, "pairs": {}, "likert": self.scale.model_dump(mode="json")}
        answers = [(system.name, system.answers_hash) for system in self.systems]
        return hash_data([self.mode, self.seed, self.task, self.data_hash, answers, asked[self.mode]])


def folder_of(path: Path) -> RunFolder:
    """A study's folder, whose private part has the rules of a run's."""
    return RunFolder(path.parent if path.name == FILE else path)


def write_study(folder: Path, study: Study) -> Path:
    """Write ``study.yaml`` into a new folder that its owner alone can read.

    Raises:
        UsageError: a study is there already.
    """
    path = folder / FILE
    if path.exists():
        raise UsageError(f"{path} is there already; plan into another folder, or delete this study first")
    RunFolder(folder).make()
    folder.chmod(0o700)
    plain = study.model_dump(mode="json")
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    write_atomically(path, (_HEADER + text).encode())
    path.chmod(0o600)
    return path


def read_study(folder: Path) -> Study:
    """Read and check ``study.yaml``.

    Raises:
        MissingError: there is none.
        UsageError: it is not YAML, or says something that cannot be.
    """
    path = folder_of(folder).path / FILE
    if not path.is_file():
        raise MissingError(f"{path} is not there; `ehrbench rate plan RUN… --raters raters.csv --out {folder}` makes one")
    try:
        plain: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Study.model_validate(plain)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: not YAML; restore the file") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "study"
        raise UsageError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
