"""From an item to the messages of each of its calls: one call, or a refinement chain whose steps await each other's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ehrbench.context.fit import full, truncate, whole
from ehrbench.context.fitted import Fitted
from ehrbench.context.refine import refine
from ehrbench.context.retrieve import retrieve
from ehrbench.context.tokens import record_tokens
from ehrbench.context.window import ANSWER_SLACK, Frame, Limit, Overflow, Window
from ehrbench.models.protocol import Message, Tokenizer
from ehrbench.records.record import Record
from ehrbench.tasks.prompts import Framed, frames, refine_frames
from ehrbench.tasks.schema import PromptSpec, RecordSpec


def fit(record: Record, frame: Frame, later: Frame | None, window: Window, spec: RecordSpec, question: str) -> Fitted:
    """Make a record fit by the policy ``spec.context``.

    Args:
        record: the whole record.
        frame: the exact text before and after the record in the first (or only) prompt.
        later: the same of a later refinement prompt, a token or so standing for the previous answer; None unless the policy
            is ``refine``.
        window: every limit that a prompt and its reserve have to keep; without limits the record is shown whole (and refined in
            chunks of ``spec.chunk_tokens``, where there is a tokenizer).
        spec: policy, ``keep``, ``chunk_tokens``, ``split``.
        question: what ``retrieve`` looks for.

    Returns:
        One part, or the chunks of a chain. Token counts are the budget tokenizer's, else the model's, else words.

    Raises:
        Overflow: the prompt cannot fit with any of the record (``full``: with all of it).
    """
    if spec.context == "refine":
        return refine(record, frame, frame if later is None else later, window, spec)
    if not window.limits:
        return whole(spec.context, record, window)
    if spec.context == "retrieve":
        return retrieve(record, frame, window, question)
    return truncate(record, frame, window, spec) if spec.context == "truncate" else full(record, frame, window)


PromptText = Callable[[Sequence[Message]], str]
"""``Model.prompt_text``."""
_WIDEST_PART = 9_999
_PLACEHOLDER = "-"


class Step(NamedTuple):
    """One call of a chain."""

    messages: tuple[Message, ...]
    previous_cut: bool
    """Whether the end of the previous answer was cut to make room."""


@dataclass(frozen=True)
class Chain:
    """The calls of one item. Holds offsets, not pieces of the record; messages are made when they are asked for."""

    fitted: Fitted | None
    """None for an item without a record."""
    record: Record | None
    prompt: PromptSpec
    slots: Mapping[str, object]
    window: Window
    prompt_text: PromptText
    first: Framed
    """The first (or only) prompt, without the record."""

    @property
    def steps(self) -> int:
        """How many calls; at least one."""
        return 1 if self.fitted is None else max(1, len(self.fitted.parts))

    def messages(self, step: int, previous: str | None = None) -> tuple[Message, ...]:
        """The messages of call ``step`` (0 first), given the answer of the call before."""
        return self.step(step, previous).messages

    def step(self, step: int, previous: str | None = None) -> Step:
        """One call, a pure function of its arguments: a resumed run makes the same one from the stored answer.

        Args:
            step: 0 to ``steps`` - 1.
            previous: the answer of step - 1; not looked at for step 0. An answer longer than its allowance, or than the window
                leaves, loses its end; the chunk and the instruction never lose anything.

        Raises:
            Overflow: the prompt does not fit even without the previous answer.
        """
        if step == 0 or self.fitted is None or self.record is None:
            part = "" if self.fitted is None or self.record is None else self.record.header + self.fitted.parts[0].text
            return Step(self.first.fill(part), previous_cut=False)
        part = self.record.header + self.fitted.parts[step].text
        framed, kept = self._framed(step, previous or "")
        return Step(framed.fill(part), previous_cut=kept != (previous or ""))

    def _framed(self, step: int, previous: str) -> tuple[Framed, str]:
        """The prompt of a later step, with as much of the previous answer as fits."""
        allowance = self.window.answer_tokens + ANSWER_SLACK
        kept = previous
        for limit in self.window.limits:
            kept = first_tokens_of(kept, allowance, limit.tokenizer)
        while True:
            framed = refine_frames(self.prompt, self.slots, step + 1, self.steps, kept)
            broken = self._broken(framed, step)
            if broken is None:
                return framed, kept
            limit, prompt_tokens = broken
            if not kept:
                raise Overflow(prompt_tokens, limit, None)
            kept = first_tokens_of(
                kept, limit.tokenizer.count(kept) - (prompt_tokens - limit.room), limit.tokenizer, shorter=True
            )

    def _broken(self, framed: Framed, step: int) -> tuple[Limit, int] | None:
        """The first limit that a later prompt breaks, with the prompt's tokens."""
        for limit in self.window.limits:
            if (n := self._count(framed, step, limit.tokenizer)) > limit.room:
                return limit, n
        return None

    def prompt_tokens(self, step: int, tokenizer: Tokenizer) -> int:
        """Tokens of one call's prompt, exactly, the record not tokenised again; a later step's without the previous answer."""
        first = step == 0 or self.fitted is None
        framed = self.first if first else refine_frames(self.prompt, self.slots, step + 1, self.steps, "")
        return self._count(framed, step, tokenizer)

    def _count(self, framed: Framed, step: int, tokenizer: Tokenizer) -> int:
        text = self.prompt_text(framed.messages)
        if self.record is None or self.fitted is None:
            return tokenizer.count(text)
        frame, part = Frame.split(text, framed.sentinel, self.record.header), self.fitted.parts[step]
        end = part.start + len(part.text)
        if not self.record.text.startswith(part.text, part.start):  # retrieved pieces do not stand side by side
            return tokenizer.count(frame.before + part.text + frame.after)
        return record_tokens(self.record.text, tokenizer).count(frame.before, part.start, end, frame.after)


def chain(
    record: Record | None,
    prompt: PromptSpec,
    slots: Mapping[str, object],
    spec: RecordSpec | None,
    window: Window,
    prompt_text: PromptText,
) -> Chain:
    """Fit an item's record and prepare its calls.

    Args:
        record: None for a task without records.
        prompt: the task's prompt, checked.
        slots: the item's values by name, ``question`` among them.
        spec: the task's record policy; None with ``record``.
        window: what every prompt has to fit.
        prompt_text: ``model.prompt_text``.

    Raises:
        Overflow: the item cannot be asked within the window.
        UsageError: a template fails on this item.
    """
    framed = frames(prompt, slots)
    if record is None or spec is None:
        text = prompt_text(framed.messages)
        for limit in window.limits:
            if (n := limit.tokenizer.count(text)) > limit.room:
                raise Overflow(n, limit, None)
        return Chain(None, None, prompt, slots, window, prompt_text, framed)
    frame = Frame.split(prompt_text(framed.messages), framed.sentinel, record.header)
    later = None
    if spec.context == "refine":
        widest = refine_frames(prompt, slots, _WIDEST_PART, _WIDEST_PART, _PLACEHOLDER)
        later = Frame.split(prompt_text(widest.messages), widest.sentinel, record.header)
    fitted = fit(record, frame, later, window, spec, str(slots["question"]))
    return Chain(fitted, record, prompt, slots, window, prompt_text, framed)


def first_tokens_of(text: str, n: int, tokenizer: Tokenizer, *, shorter: bool = False) -> str:
    """The beginning of ``text`` that has at most ``n`` tokens, cut where a token begins; ``shorter``: never all of it."""
    starts = tokenizer.encode(text).starts
    if len(starts) <= n and not shorter:
        return text
    index = min(max(n, 0), len(starts) - 1)
    while index > 0 and starts[index] == starts[index - 1]:
        index -= 1
    return text[: starts[index]] if index > 0 else ""
