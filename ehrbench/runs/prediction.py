"""A prediction: how one item ended, and every step that led there. One line of ``predictions.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ehrbench.models.protocol import Finish, Response, Usage, usage_of
from ehrbench.models.thinking import looks_like_thought
from ehrbench.results.schema import Outcome


@dataclass(frozen=True, slots=True)
class Step(Usage):
    """One finished call of a model.

    ``seconds``, ``cached_tokens`` and ``attempts`` depend on what ran beside it: they are not part of what makes two runs equal.
    """

    key: str
    """Hash of everything that decides the answer (``runs.keys``): the same key is never called twice."""
    text: str
    finish: Finish
    reasoning: str | None = None
    error: str | None = None
    probabilities: Sequence[float] | None = None
    """Of the item's choices, in their order."""
    hard: bool = False
    """The probabilities are 0 and 1, made from a label."""
    mass: float | None = None
    """How much of the distribution the choices held, before normalising."""
    doubts: Sequence[str] = ()
    """See ``models.protocol.Doubt``."""

    @classmethod
    def of(cls, response: Response, key: str) -> Step:
        """The step that a response finishes."""
        return cls(
            key=key,
            text=response.text,
            finish=response.finish,
            reasoning=response.reasoning,
            error=response.error,
            probabilities=response.probabilities,
            hard=response.hard,
            mass=response.mass,
            doubts=(*response.doubts, *(("thinking_tags",) if looks_like_thought(response.text) else ())),
            **usage_of(response),
        )

    def row(self) -> dict[str, Any]:
        """As plain JSON, without what is unknown; clock-like values stand under ``clock``."""
        row: dict[str, Any] = {"key": self.key, "text": self.text, "finish": self.finish}
        for name in ("reasoning", "error", "prompt_tokens", "answer_tokens", "reasoning_tokens", "cost", "probabilities", "mass"):
            value = getattr(self, name)
            if value is not None:
                row[name] = value
        if self.hard:
            row["hard"] = True
        if self.doubts:
            row["doubts"] = list(self.doubts)
        row["clock"] = {"seconds": round(self.seconds, 4), "cached_tokens": self.cached_tokens, "attempts": self.attempts}
        return row

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> Step:
        """The step of a stored row."""
        values = {name: value for name, value in row.items() if name in _STEP}
        return cls(**values, **row.get("clock", {}))


_STEP = frozenset(one.name for one in fields(Step))


@dataclass(frozen=True, slots=True)
class Prediction:
    """How one item ended."""

    item: str
    outcome: Outcome
    answer: str | None
    """After the task's clean-ups; None when there is none."""
    steps: Sequence[Step] = ()
    """Every call of the chain; the last step's text is the raw answer."""
    error: str | None = None
    """Class of the failure, for outcomes without an answer."""
    record_tokens: int | None = None
    record_tokens_seen: int | None = None
    first_date: str | None = None
    """ISO date of the first thing of the record that the model saw."""
    policy: str | None = None
    """How the record was made to fit."""
    tokenizer: str | None = None
    """Whose tokens the two counts above are."""
    record_shown: Sequence[Sequence[Sequence[int]]] | None = None
    """For each step, start and end of every piece of the record's text that it showed; None in runs from before this was kept."""
    probabilities: Mapping[str, float] | None = None
    """By choice, where the task reads probabilities."""
    hard: bool = False
    """The probabilities are 0 and 1, made from the label that a model without log-probabilities gave."""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def revisions(self) -> int:
        """How often a later step changed the answer."""
        return sum(before.text != after.text for before, after in zip(self.steps, self.steps[1:], strict=False))

    @property
    def last_revision(self) -> int | None:
        """The step (from 1) that last changed the answer; None for chains of one."""
        if len(self.steps) < 2:
            return None
        changed = [k for k in range(1, len(self.steps)) if self.steps[k].text != self.steps[k - 1].text]
        return (changed[-1] if changed else 0) + 1

    def row(self) -> dict[str, Any]:
        """As plain JSON."""
        row: dict[str, Any] = {"item": self.item, "outcome": self.outcome, "answer": self.answer}
        for name in (
            "error",
            "record_tokens",
            "record_tokens_seen",
            "first_date",
            "policy",
            "tokenizer",
            "record_shown",
            "probabilities",
        ):
            value = getattr(self, name)
            if value is not None:
                row[name] = value
        if self.hard:
            row["hard"] = True
        if self.notes:
            row["notes"] = dict(self.notes)
        if len(self.steps) > 1:
            row["revisions"] = self.revisions
            row["last_revision"] = self.last_revision
        row["steps"] = [step.row() for step in self.steps]
        return row

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> Prediction:
        """The prediction of a stored row."""
        values = {name: value for name, value in row.items() if name in cls.__slots__ and name != "steps"}
        return cls(**values, steps=tuple(Step.parse(step) for step in row["steps"]))
