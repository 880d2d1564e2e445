"""What stands beside results on the site: metric-clinician correlation, people's judgement of systems, facts of a dataset, means.

Five kinds of JSON file, found by their endings in the same folders as results: ``correlation.json``, ``human.json`` and
``paired.json`` (also with a name before, as in ``suite.correlation.json``), ``*.facts.json`` and ``*.repeats.json``.
docs/results-schema.md explains each key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ehrbench.assets import asset_dir
from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.results.repeats import Repeats
from ehrbench.results.schema import MAX_RANGE, Source
from ehrbench.results.store import Problem, load_json


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


M = TypeVar("M", bound="_Made")


class _Made(_Part):
    """What a command makes: with a digest of it, which tells that nobody has written anything into it since."""

    digest: str = ""
    """Of all other keys, as the command wrote them; what somebody has changed since is withheld until somebody vouches for it."""

    def sealed(self: M) -> M:
        """The same with its digest."""
        return self.model_copy(update={"digest": self._digest()})

    @property
    def is_sealed(self) -> bool:
        """Whether it is still as the command made it."""
        return bool(self.digest) and self.digest == self._digest()

    def _digest(self) -> str:
        return hash_data(self.model_dump(mode="json", exclude={"digest"}))

    @model_serializer(mode="wrap")
    def _without_an_empty_digest(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = plain(self)
        return {key: value for key, value in found.items() if key != "digest" or value}


class Interval(_Part):
    """A number with its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None
    n: Annotated[int, Field(ge=0)] | None = None
    caution: str = ""
    """Why the interval is only approximate."""

    @model_validator(mode="after")
    def _in_order(self) -> Interval:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the interval ends ({self.high}) before it begins ({self.low})")
        if max(abs(number) for number in (self.value, self.low or 0.0, self.high or 0.0)) > MAX_RANGE:
            raise ValueError("a number lies outside any range")
        return self


class MetricAgreement(Interval):
    """How well one metric agrees with the people."""

    name: str
    label: str
    n_undefined: int = 0
    """Items whose statistic is not defined (constant ranks or scores)."""
    cluster: str | None = None
    """Significance cluster: metrics that share a letter cannot be told apart; ``Correlation.letters`` says of what."""
    note: str = ""


class Correlation(_Made):
    """Metrics beside clinicians, for one task: what ``ehrbench correlate`` writes."""

    schema_version: Literal[1] = 1
    kind: Literal["correlation"] = "correlation"
    task: str
    suite: str
    title: str = ""
    """What this is, when one task has several ("TSVs of release 1.3, tau-b")."""
    statistic: str
    """What the values are ("mean Kendall tau-b over items")."""
    span: tuple[float, float] = (-1.0, 1.0)
    """Range of the statistic."""
    interval: str = ""
    population: str = ""
    """Whom the intervals speak of ("other items like these and these 6 systems")."""
    letters: str = ""
    """Whom the metrics' letters speak of."""
    n_items: int | None = None
    n_systems: int | None = None
    metrics: list[MetricAgreement]
    inter_rater: Interval | None = None
    """The same statistic between raters: the ceiling."""
    synthetic: bool = False
    source: Source | None = None
    signature: str = ""
    command: str = ""
    caveats: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _within(self) -> Correlation:
        low, high = self.span
        for one in [*self.metrics, *([self.inter_rater] if self.inter_rater else [])]:
            if not low - 1e-9 <= one.value <= high + 1e-9:
                raise ValueError(f"{one.value} lies outside the statistic's range {low:g} to {high:g}")
        return self


class SystemJudgement(_Part):
    """What people said of one system."""

    name: str
    correct: Interval | None = None
    """Share of answers judged correct, 0 to 1."""
    win_rate: Interval | None = None
    """Share of decided pairings won, averaged over opponents."""
    mean_rank: Interval | None = None
    """Mean mid-rank; 1 is best."""


class Pair(_Part):
    """One ordered pair of systems."""

    a: str
    b: str
    wins: Annotated[float, Field(ge=0, le=1)]
    """Share of items on which ``a`` was strictly preferred to ``b``."""
    ties: Annotated[float, Field(ge=0, le=1)] | None = None
    n: int | None = None


class HeadToHead(_Part):
    """A matrix of pairings by one judge."""

    judge: str
    """``clinicians``, or the name of a metric."""
    label: str
    pairs: list[Pair]
    """Both orders of each pair; what is absent is shown as unknown."""


class HumanStats(_Made):
    """People's judgement of systems, for one task: what ``ehrbench human-stats`` writes."""

    schema_version: Literal[1] = 1
    kind: Literal["human"] = "human"
    task: str
    suite: str
    title: str = ""
    interval: str = ""
    n_items: int | None = None
    n_raters: int | None = None
    systems: list[SystemJudgement] = Field(default_factory=list)
    head_to_head: list[HeadToHead] = Field(default_factory=list)
    """The people's matrix first, metrics' after it."""
    inter_rater: Interval | None = None
    synthetic: bool = False
    source: Source | None = None
    signature: str = ""
    command: str = ""
    caveats: list[str] = Field(default_factory=list)


class Comparison(_Part):
    """A paired test of two runs on their common items."""

    schema_version: Literal[1] = 1
    kind: Literal["paired"] = "paired"
    task: str
    metric: str
    a: Annotated[str, Field(min_length=12)]
    """``config_hash`` of one run."""
    b: Annotated[str, Field(min_length=12)]
    """``config_hash`` of the other."""
    difference: Interval
    """Of a minus b, with its paired 95 % interval; ``n`` is the number of common items."""
    interval: str = ""
    p_value: Annotated[float, Field(ge=0, le=1)] | None = None
    p_adjusted: Annotated[float, Field(ge=0, le=1)] | None = None
    """Adjusted over all comparisons that were made together."""
    test: str = ""
    """Which test, and how it was adjusted."""
    caution: str = ""
    """Why the interval is only approximate."""
    signature: str = ""
    command: str = ""


class Fact(_Part):
    """One number about a dataset that is not a model's score."""

    group: str
    label: str
    value: float
    unit: str
    n: int | None = None
    """What the number is out of."""
    source: Source
    note: str = ""


class Facts(_Part):
    """Numbers about a suite's data."""

    schema_version: Literal[1] = 1
    kind: Literal["facts"] = "facts"
    suite: str
    facts: list[Fact]


@dataclass(frozen=True)
class Supplements:
    """All that was found."""

    correlations: list[Correlation] = field(default_factory=list)
    humans: list[HumanStats] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    repeats: list[Repeats] = field(default_factory=list)


@lru_cache(maxsize=1)
def _shipped() -> frozenset[str]:
    found, _ = find_supplements([asset_dir("published")])
    return frozenset(one.sealed().digest for one in (*found.correlations, *found.humans))


def ships(one: Correlation | HumanStats) -> bool:
    """Whether it is one of the papers' tables that come with ehrbench."""
    return one.sealed().digest in _shipped()


def find_supplements(folders: Iterable[Path]) -> tuple[Supplements, list[Problem]]:
    """Read every supplement below the folders; what cannot be read is named and the rest still loads."""
    found = Supplements()
    problems: list[Problem] = []
    for path, kind in _files(folders):
        try:
            data = load_json(path)
            if kind == "correlation":
                found.correlations.append(Correlation.model_validate(data))
            elif kind == "human":
                found.humans.append(HumanStats.model_validate(data))
            elif kind == "paired":
                entries = data if isinstance(data, list) else [data]
                found.comparisons.extend([Comparison.model_validate(entry) for entry in entries])
            elif kind == "repeats":
                entries = data if isinstance(data, list) else [data]
                found.repeats.extend([Repeats.model_validate(entry) for entry in entries])
            else:
                found.facts.append(Facts.model_validate(data))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "the file"
            problems.append(Problem(path, f"{path}: {key}: {first['msg']}; docs/results-schema.md explains each key"))
        except UsageError as error:
            problems.append(Problem(path, str(error)))
    return found, problems


def _files(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    seen: set[Path] = set()
    for folder in folders:
        found: list[tuple[Path, str]] = []
        for root, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name != "private")
            for name in files:
                for kind in ("correlation", "human", "paired", "facts", "repeats"):
                    if name == f"{kind}.json" or name.endswith(f".{kind}.json"):
                        found.append((Path(root, name), kind))
        for path, kind in sorted(found):
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                yield path, kind
