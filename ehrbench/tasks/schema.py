"""The task file: what one task is, checked on load. docs/writing-a-task.md explains each key to users."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ehrbench.hashing import hash_data

Protocol = Literal["clean", "paper"]
Policy = Literal["open", "credentialed"]
ContextPolicy = Literal["truncate", "refine", "retrieve", "full"]
Keep = Literal["end", "start"]
NAME = r"^[a-z0-9][a-z0-9_]*(\.[A-Za-z0-9][A-Za-z0-9_]*)*$"


MAX_TOKENS = 100_000_000
"""No window is larger: a larger number is a slip of the keyboard."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_NEW: dict[str, dict[str, Any]] = {"record": {"cut": "tokens"}, "fewshot": {"record_tokens": 0}}
"""Keys by section that came after the first digests were stored, with the value that changes nothing."""


def _without_new(data: dict[str, Any], section: str) -> dict[str, Any]:
    """A section as it was before its new keys, where they say nothing: runs made then go on."""
    new = _NEW.get(section, {})
    return {key: value for key, value in data.items() if key not in new or value != new[key]}


class DataSpec(_Strict):
    """Where the items come from and what may be done with them."""

    reader: str
    """A registered reader."""
    path: str
    """The release's folder below ``--data-dir``; never leaves it."""
    policy: Policy
    """``credentialed``: text goes to no remote endpoint without a recorded approval and to no publication."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the reader."""
    slots: tuple[str, ...] = ()
    """Further values that the reader gives each item for the prompt, by name."""
    source: str = ""
    """Where to get it, in one sentence with an address."""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = path.replace("\\", "/").split("/")
        if not path or path.startswith(("/", "\\", "~")) or ".." in parts or ":" in parts[0] or "\0" in path:
            raise ValueError("data.path must name a folder below the data directory, without '..'")
        return path


class RecordSpec(_Strict):
    """How a record is rendered and made to fit."""

    rendering: str = "raw"
    """A registered rendering of the reader's records."""
    context: ContextPolicy = "truncate"
    """What happens to a record that does not fit: see docs/protocols.md. ``full``: nothing is done; too long is ``overflow``."""
    keep: Keep = "end"
    """Which end survives truncation."""
    reserve: Annotated[int, Field(ge=0, le=MAX_TOKENS)] | None = None
    """Tokens kept free for the answer; default: ``generation.max_tokens`` plus the reasoning allowance."""
    chunk_tokens: Annotated[int, Field(gt=0, le=MAX_TOKENS)] = 30_000
    """Largest chunk of a refinement chain, in tokens."""
    split: Literal["tokens", "entries"] = "tokens"
    """Where a refinement chain may cut: anywhere, or between a record's dated entries where one is near enough."""
    cut: Literal["tokens", "entries"] = "tokens"
    """Where truncation may cut: anywhere, or between entries; in an entry only where it alone is too long."""

    def as_config(self) -> dict[str, Any]:
        """Plain JSON for a run's configuration."""
        return _without_new(self.model_dump(mode="json"), "record")


class PromptSpec(_Strict):
    """One prompt: sandboxed Jinja templates."""

    user: str
    """Slots: ``record``, ``question``, ``choices`` and the item's own."""
    system: str | None = None
    refine: str | None = None
    """User turn of later refinement steps. Further slots: ``part``, ``parts``, ``previous``."""
    track: str = ""
    """Names the results of this prompt where they must never be ranked with those of another (``open``, ``candidates``)."""
    note: str = ""
    """Where the wording is from."""

    def digest(self) -> str:
        """SHA-256 of the templates."""
        return hash_data([self.system, self.user, self.refine])


class GenerationSpec(_Strict):
    """How an answer is decoded."""

    max_tokens: Annotated[int, Field(gt=0, le=MAX_TOKENS)] = 256
    max_reasoning_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] = 4096
    """Allowance of a thinking model, beside ``max_tokens``; unused by others."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    stop: tuple[str, ...] = ()


class StratumSpec(_Strict):
    """A key of an item's ``meta`` by whose values scores are also reported, and the values that may be published.

    Scores of a credentialed task's subset are published only under a value that stands in ``values`` or a bin of ``bins``:
    any other value may be a patient's text.
    """

    by: Annotated[str, Field(min_length=1)]
    """The key."""
    values: tuple[str, ...] = ()
    """The closed list of values, as texts."""
    bins: tuple[float, ...] = ()
    """Ascending edges of bins for a number: ``[18, 65]`` makes ``below 18``, ``18 to 65`` (65 left out) and ``65 and above``."""

    @model_validator(mode="before")
    @classmethod
    def _a_key_alone(cls, data: object) -> object:
        return {"by": data} if isinstance(data, str) else data

    @field_validator("values", mode="before")
    @classmethod
    def _as_texts(cls, values: object) -> object:
        return [str(value) for value in values] if isinstance(values, (list, tuple)) else values

    @model_validator(mode="after")
    def _one_way(self) -> StratumSpec:
        if self.values and self.bins:
            raise ValueError(f"stratum '{self.by}' has both values and bins; give one of them")
        if any(low >= high for low, high in pairwise(self.bins)) or not all(map(math.isfinite, self.bins)):
            raise ValueError(f"stratum '{self.by}': the edges of bins must be finite and ascend")
        return self

    @property
    def closed(self) -> bool:
        """Whether the task file states which values there are."""
        return bool(self.values or self.bins)

    def label(self, value: object) -> str:
        """The name of the subset of items with this value: the value itself, or its bin."""
        number = _number(value) if self.bins else None
        if number is None:
            return str(value)
        place = bisect_right(self.bins, number)
        if place == 0:
            return f"below {self.bins[0]:g}"
        if place == len(self.bins):
            return f"{self.bins[-1]:g} and above"
        return f"{self.bins[place - 1]:g} to {self.bins[place]:g}"

    def states(self, label: str) -> bool:
        """Whether the task file states this name of a subset."""
        if self.bins:
            middles = [(low + high) / 2 for low, high in pairwise(self.bins)]
            return label in {self.label(number) for number in (self.bins[0] - 1, *middles, self.bins[-1])}
        return label in self.values


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


class FewshotSpec(_Strict):
    """Worked examples in the prompt."""

    k: Annotated[int, Field(ge=0)] = 0
    leaky: bool = False
    """True reproduces a release whose examples may include the query itself."""
    record_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] = 0
    """Tokens of each example's record, its newest part, in the slot ``example.record``; 0: examples have no record."""


DESCRIPTIVE = ("title", "description", "cite", "cite_data", "caveats", "facts", "majority")
"""Keys of a task file that decide no number of a run."""


class TaskSpec(_Strict):
    """One task, with its protocol's overrides applied."""

    task: Annotated[str, Field(pattern=NAME)]
    version: Annotated[int, Field(ge=1)]
    """Raised when a number may change; results of different versions are never compared."""
    title: str = ""
    """What people call it."""
    description: str = ""
    """One or two sentences: what the input is, what is asked, how the answer is scored."""
    group: tuple[str, ...] = ()
    """Groups the task is run by; a dotted task name is also in the group of each of its prefixes."""
    language: str = "en"
    data: DataSpec
    record: RecordSpec | None = None
    """None: the task has no records."""
    prompt: PromptSpec
    variants: dict[str, PromptSpec] = Field(default_factory=dict)
    """Other prompts by name, chosen with ``--prompt NAME``."""
    output: Literal["text", "choice_probabilities", "log_likelihoods"] = "text"
    """``log_likelihoods``: of texts that the reader gives (lm-eval's tasks)."""
    spellings: Literal["variants", "exact", "spaced"] = "variants"
    """Of ``choice_probabilities``: whether capitals and a leading space count as the same choice. ``spaced``:
    a space and the choice, whose tokens all count, as lm-eval has it."""
    generation: GenerationSpec = Field(default_factory=GenerationSpec)
    fewshot: FewshotSpec = Field(default_factory=FewshotSpec)
    answer: tuple[str, ...] = ("strip_thinking", "strip")
    """Registered clean-ups, applied in order to the model's answer."""
    references: Literal["first", "all"] = "all"
    """Which gold answers a metric is given: an item's first one, or all as alternatives."""
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    primary: str
    """The metric a table shows first; one of ``metrics``."""
    majority: bool = False
    """Whether the gold answers are classes: what the most common one scores is then shown beside each score."""
    strata: tuple[StratumSpec, ...] = ()
    """Keys of an item's ``meta`` by whose values scores are also reported."""
    expected_items: Annotated[int, Field(gt=0)] | None = None
    """Items of the full release; a run with another number is marked partial."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What a reader of a result should know (paper's task name, source dataset, caveat flags)."""
    caveats: tuple[str, ...] = ()
    cite: str = ""
    """The paper that set the task."""
    cite_data: str = ""
    """The data's own paper, where it is another."""

    @field_validator("metrics", "answer", "group")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := next((name for index, name in enumerate(names) if name in names[:index]), None):
            raise ValueError(f"'{twice}' is listed twice")
        return names

    @field_validator("primary")
    @classmethod
    def _primary_is_a_metric(cls, primary: str, info: ValidationInfo) -> str:
        metrics = info.data.get("metrics", (primary,))
        if primary not in metrics:
            raise ValueError(f"primary '{primary}' is not one of metrics ({', '.join(metrics)})")
        return primary

    @field_validator("variants")
    @classmethod
    def _default_is_taken(cls, variants: dict[str, PromptSpec]) -> dict[str, PromptSpec]:
        if "default" in variants:
            raise ValueError("'default' names the task's own prompt; give the variant another name")
        return variants

    def may_publish(self, stratum: str) -> bool:
        """Whether a subset's name (``dimension=value``) may stand in a publication: any of open data, else only stated ones."""
        dimension, _, label = stratum.partition("=")
        found = [spec for spec in self.strata if spec.by == dimension]
        return any(spec.states(label) or (not spec.closed and self.data.policy == "open") for spec in found)

    def groups(self) -> tuple[str, ...]:
        """Every group the task is in: its own, and each dotted prefix of its name."""
        parts = self.task.split(".")
        prefixes = [".".join(parts[:i]) for i in range(1, len(parts))]
        return tuple(dict.fromkeys([*self.group, *prefixes]))

    def digest(self) -> str:
        """SHA-256 of what decides the numbers of the resolved task: two runs are comparable only where it is the same."""
        told: dict[str, Any] = {
            **dict.fromkeys(DESCRIPTIVE, True),
            "data": {"source"},
            "prompt": {"note"},
            "variants": {"__all__": {"note"}},
        }
        data = self.model_dump(mode="json", exclude=told)
        data["strata"] = [stratum.by for stratum in self.strata]  # which values may be published decides no number
        return hash_data({key: _without_new(value, key) if isinstance(value, dict) else value for key, value in data.items()})
