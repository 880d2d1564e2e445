"""The schema of a result: numbers and their provenance, no text of any item. docs/results-schema.md explains each key."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

OUTCOMES = ("answered", "unparsed", "reasoning_truncated", "overflow", "api_error", "refused")
SCORED_OUTCOMES = frozenset({"answered", "unparsed", "reasoning_truncated"})
"""Outcomes that end in a score; the last two are scored as an empty answer."""
Outcome = Literal["answered", "unparsed", "reasoning_truncated", "overflow", "api_error", "refused"]


Count = Annotated[int, Field(ge=0, le=10**15)]
MAX_RANGE = 1e12


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ModelInfo(_Part):
    """Which model answered."""

    name: str
    backend: str
    revision: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class MetricResult(_Part):
    """One number with its interval."""

    name: str
    label: str
    value: float | None
    """Over the items that have an answer. None: see ``missing``."""
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    interval: str = ""
    """Estimator and unit of the interval ("score interval, jackknife over 124 patients")."""
    caution: str = ""
    """Why the interval is only approximate; empty where simulation shows that it holds."""
    n: Count | None = None
    """Items behind ``value``. None only for a published number whose paper does not say."""
    n_undefined: Count = 0
    """Answered items for which the metric is not defined."""
    strict_value: float | None = None
    """Over all items, an item without an answer counting as the worst value; None for metrics that are not a mean."""
    range: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    signature: str = ""
    note: str = ""
    missing: str | None = None
    """Why there is no value."""
    baseline: float | None = None
    """What the majority answer scores, where that is defined."""

    @model_validator(mode="after")
    def _sane(self) -> MetricResult:
        for number in (self.value, self.low, self.high, self.strict_value, self.baseline, *self.range):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"metric '{self.name}': {number} is not a number")
        if self.value is None and not self.missing:
            raise ValueError(f"metric '{self.name}' has neither a value nor a reason for having none")
        worst, best = self.range
        if worst > best or max(abs(worst), abs(best)) > MAX_RANGE:
            raise ValueError(f"metric '{self.name}': range {worst:g} to {best:g} is not a range")
        slack = 1e-9 * max(1.0, abs(best - worst))
        for number in (self.value, self.strict_value, self.baseline):
            if number is not None and not worst - slack <= number <= best + slack:
                raise ValueError(f"metric '{self.name}': {number} lies outside its range {worst:g} to {best:g}")
        for end in (self.low, self.high):
            # An approximate interval may stick out of the range, but not by more than the range's width.
            if end is not None and not 2 * worst - best - slack <= end <= 2 * best - worst + slack:
                raise ValueError(f"metric '{self.name}': an end of the interval, {end:g}, lies far outside its range")
        if self.caution and self.low is None:
            raise ValueError(f"metric '{self.name}' has a caution about an interval and no interval")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"metric '{self.name}': the interval ends ({self.high}) before it begins ({self.low})")
        return self


class ContextInfo(_Part):
    """How much of the records the model saw."""

    policy: str
    window: Count | None = None
    """Tokens of prompt and answer; None: unlimited or unknown."""
    tokenizer: str | None = None
    n_records_cut: Count = 0
    """Items whose record was not seen whole in one prompt."""
    share_seen_median: float | None = None
    """Median over items of tokens seen / tokens there were."""
    share_seen_quartiles: tuple[float, float] | None = None
    steps_mean: float = 1.0
    """Model calls per item."""


class AnswerInfo(_Part):
    """What is to be known of the answers beside their scores."""

    empty: Count = 0
    """Scored items whose answer has no character: nothing was said, or nothing could be read."""
    at_limit: Count = 0
    """Items whose last answer ended at the token limit."""
    doubts: dict[str, Count] = Field(default_factory=dict)
    """Items whose answer stands and is doubtful, by the reason."""
    choice_mass_median: float | None = None
    """Median over items of the probability that the choices held together, before normalising; None where none is known."""
    verdicts: dict[str, Count] = Field(default_factory=dict)
    """Of a judge: how many verdicts were read in which way."""


class Usage(_Part):
    """What the run took."""

    calls: Count = 0
    prompt_tokens: Count = 0
    answer_tokens: Count = 0
    reasoning_tokens: Count = 0
    cached_tokens: Count = 0
    cost: float | None = None
    seconds: float = 0.0


class Source(_Part):
    """Where a published row is from."""

    title: str
    where: str
    """Table or figure."""
    status: Literal["published", "derived"] = "published"


class Review(_Part):
    """How the texts of a credentialed result were checked before it left its machine."""

    searched: bool = False
    """Whether they were compared with the data and the private part of the run."""
    by: str | None = None
    """Who has read them."""
    digest: str
    """Of the result at that time: a later change voids the review."""


class Result(_Part):
    """The public outcome of one run, or one row of a paper."""

    schema_version: Literal[1] = 1
    kind: Literal["run", "published", "human"] = "run"
    task: str
    task_version: int = 1
    suite: str
    protocol: Literal["clean", "paper", "foreign"]
    """``foreign``: brought in from another harness by ``ehrbench import``; a published row that stands with no others."""
    track: str = ""
    """Sub-track whose numbers are never ranked with others' (``open``, ``candidates``); empty where there is one."""
    prompt: str = "default"
    """Name of the prompt variant."""
    model: ModelInfo
    config_hash: str = ""
    signature: str = ""
    data_policy: Literal["open", "credentialed"] = "open"
    synthetic: bool = False
    """True for runs on the bundled synthetic sample."""
    n_items: Count | None = None
    """Items that were run. None only for a published row whose paper does not say."""
    n_expected: Count | None = None
    """Items of the full release, where the task states them; fewer run items make the result partial."""
    n_available: Count | None = None
    """Items that the data on that machine hold; fewer run items (``--limit``) make the result partial. None: an older result."""
    n_groups: Count | None = None
    """Clusters (patients) behind the intervals."""
    outcomes: dict[Outcome, int] = Field(default_factory=dict)
    metrics: list[MetricResult]
    primary: str
    strata: dict[str, list[MetricResult]] = Field(default_factory=dict)
    """Scores of subsets, named ``dimension=value``; subsets of fewer than 11 groups are left out, and so are those of a
    credentialed task whose value the task file does not state."""
    strata_withheld: dict[str, Count] = Field(default_factory=dict)
    """How many subsets of each dimension are not published: too few patients, or a value that the task file does not state."""
    context: ContextInfo | None = None
    answers: AnswerInfo | None = None
    """None for rows of papers and people."""
    usage: Usage = Field(default_factory=Usage)
    date: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = ""
    """The day on which the run was begun (UTC); empty where nobody noted it."""
    environment: dict[str, Any] = Field(default_factory=dict)
    approval: dict[str, str] | None = None
    """The recorded approval under which a remote endpoint saw credentialed text."""
    source: Source | None = None
    caveats: list[str] = Field(default_factory=list)
    command: str = ""
    """The command that made it, free of paths."""
    reviewed: Review | None = None
    """How the texts were checked; set by ``ehrbench submit`` for credentialed tasks."""

    @model_validator(mode="after")
    def _counted(self) -> Result:
        if self.kind == "run" and (self.n_items is None or any(metric.n is None for metric in self.metrics)):
            raise ValueError("n_items and the n of each metric may be left out of published and human rows only, not of a run")
        if self.protocol == "foreign" and self.kind != "published":
            raise ValueError("protocol 'foreign' is of published rows only, which 'ehrbench import' makes")
        return self

    @property
    def run_protocol(self) -> Literal["clean", "paper"]:
        """The protocol of a run.

        Raises:
            ValueError: the row is not of a run of ours.
        """
        if self.protocol == "foreign":
            raise ValueError("a row of another harness belongs to neither protocol")
        return self.protocol

    @property
    def partial(self) -> bool:
        """Whether fewer items were run than there are."""
        return self.n_items is not None and self.n_items < (self.n_whole or 0)

    @property
    def n_whole(self) -> int | None:
        """Items of a whole run: as many as the release or the data have, whichever is more; None: not known.

        The synthetic sample is not part of a release, so only the items of its data count.
        """
        known = [n for n in (None if self.synthetic else self.n_expected, self.n_available) if n is not None]
        return max(known, default=None)

    def metric(self, name: str) -> MetricResult | None:
        """The number of one metric, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)
