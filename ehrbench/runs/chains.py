"""Chains of calls: one item's way from its first request to its prediction.

An item's chain has one step, or one for each chunk of its record. Steps that a stored call answers are not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ehrbench.context.chain import Step as Prompted
from ehrbench.context.fitted import Fitted
from ehrbench.context.window import Overflow
from ehrbench.models.protocol import Request, Response, Tokenizer
from ehrbench.readers.item import Item
from ehrbench.results.schema import Outcome
from ehrbench.runs.keys import call_key
from ehrbench.runs.prediction import Prediction, Step
from ehrbench.tasks.schema import GenerationSpec

Clean = Callable[[str, Item], str | None]
"""The task's answer clean-ups: None when no answer can be found in the text."""

_UNANSWERED: Mapping[str, Outcome] = {"overflow": "overflow", "refused": "refused", "error": "api_error"}


@dataclass
class ItemChain:
    """The calls of one item, driven by the engine."""

    item: Item
    fitted: Fitted | None
    """None for a task without records."""
    step: Callable[[int, str | None], Prompted]
    """The conversation of step k (from 0), given the answer of the step before; says whether that answer was cut."""
    length: int
    """Steps there are."""
    generation: GenerationSpec
    seed: int | None
    model_key: str
    clean: Clean
    prompt_tokens: Callable[[int, Tokenizer], int]
    """Tokens of step k's prompt, a later step's without the answer it will carry."""
    shown: Callable[[int], tuple[str, Sequence[Any]]] = field(default=lambda step: ("", ()))
    """What step k shows of the record, and the entries in it: for baselines."""
    prefix: str | None = None
    spellings: tuple[tuple[str, ...], ...] = ()
    """Of each choice, where the last step asks for probabilities."""
    steps: list[Step] = field(default_factory=list)
    previous_cut: set[int] = field(default_factory=set)
    """Steps whose prompt had no room for the whole answer so far."""

    def request(self) -> tuple[Request, str]:
        """The next call and its key."""
        step = len(self.steps)
        record, entries = self.shown(step)
        prompted = self.step(step, self.steps[-1].text if self.steps else None)
        if prompted.previous_cut:
            self.previous_cut.add(step)
        request = Request(
            id=f"{self.item.id}#{step}",
            messages=prompted.messages,
            max_tokens=self.generation.max_tokens,
            temperature=self.generation.temperature,
            top_p=self.generation.top_p,
            stop=self.generation.stop,
            seed=self.seed,
            max_reasoning_tokens=self.generation.max_reasoning_tokens,
            prefix=self.prefix,
            item=self.item.id,
            question=self.item.question,
            record=record,
            entries=entries,
            choices=self.item.choices,
            spellings=self.spellings if step == self.length - 1 else (),
        )
        return request, call_key(self.model_key, request)

    def advance(self, stored: Mapping[str, Step]) -> tuple[Request, str] | Prediction:
        """The next call that is not stored, or the prediction when the chain has ended."""
        while not self.ended:
            try:
                request, key = self.request()
            except Overflow as overflow:  # a later prompt that has no room even without the answer so far
                return overflowed(self.item, str(overflow), self.fitted.total_tokens if self.fitted else None)
            if key not in stored:
                return request, key
            self.steps.append(stored[key])
        return self.prediction()

    def take(self, response: Response, key: str) -> Step:
        """Add the step that a response finishes."""
        step = Step.of(response, key)
        self.steps.append(step)
        return step

    @property
    def ended(self) -> bool:
        """All steps are done, or one ended without an answer."""
        if not self.steps:
            return False
        return len(self.steps) == self.length or self.steps[-1].finish in ("overflow", "refused", "error", "reasoning_length")

    def prediction(self) -> Prediction:
        """How the item ended."""
        last = self.steps[-1]
        outcome, answer = read_outcome(last, lambda text: self.clean(text, self.item))
        chances = last.probabilities
        return Prediction(
            item=self.item.id,
            outcome=outcome,
            answer=answer,
            steps=tuple(self.steps),
            error=last.error,
            probabilities=None if chances is None else dict(zip(self.item.choices, chances, strict=True)),
            hard=last.hard,
            notes={"previous_answer_cut_in_steps": sorted(k + 1 for k in self.previous_cut)} if self.previous_cut else {},
            **seen(self.fitted),
        )


def read_outcome(last: Step, clean: Callable[[str], str | None]) -> tuple[Outcome, str | None]:
    """What an item ended as, from its last step, and its answer.

    A model that thought and then said nothing gave no answer, which is not the same as an empty one.
    """
    if last.finish in _UNANSWERED:
        return _UNANSWERED[last.finish], None
    if last.finish == "reasoning_length":
        return "reasoning_truncated", None
    answer = None if last.reasoning and not last.text.strip() else clean(last.text)
    return "unparsed" if answer is None else "answered", answer


def seen(fitted: Fitted | None) -> dict[str, Any]:
    """What a prediction keeps of how its record was fitted."""
    if fitted is None:
        return {}
    return {
        "record_tokens": fitted.total_tokens,
        "record_tokens_seen": fitted.seen_tokens,
        "first_date": fitted.first_time.date().isoformat() if fitted.first_time else None,
        "policy": fitted.policy,
        "tokenizer": fitted.tokenizer,
        "record_shown": [[list(span) for span in spans] for spans in fitted.shown],
    }


def overflowed(item: Item, error: str, total_tokens: int | None) -> Prediction:
    """The prediction of an item whose instruction alone does not fit the window."""
    return Prediction(item=item.id, outcome="overflow", answer=None, error=error, record_tokens=total_tokens)
