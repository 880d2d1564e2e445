"""How much room there is: the text around a record, the windows it must fit, and what is raised where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.models.protocol import Tokenizer

ANSWER_SLACK = 24
"""Tokens that a later refinement prompt may need beyond the previous answer's own: joints, and the digits of part numbers."""


class Frame(NamedTuple):
    """The exact text that a model is given before and after the record."""

    before: str
    after: str

    @classmethod
    def split(cls, prompt_text: str, sentinel: str, header: str = "") -> Frame:
        """Split the text of a rendered prompt at the sentinel that holds the record's place.

        Args:
            prompt_text: what a model is given.
            sentinel: what stands in the record's place.
            header: of the record, which every prompt shows before what is left of the record.

        Raises:
            UsageError: the sentinel does not occur exactly once: the chat template drops, repeats or changes messages.
        """
        if (n := prompt_text.count(sentinel)) != 1:
            raise UsageError(
                f"the model's chat template shows the record {n} times, expected once; give the model another chat template, or "
                f"move the record to another message of the task's prompt"
            )
        before, _, after = prompt_text.partition(sentinel)
        return cls(before + header, after)


class Limit(NamedTuple):
    """One window, in the tokens of one tokenizer."""

    tokens: int
    """Prompt and answer together."""
    reserve: int
    """Kept free for the answer."""
    tokenizer: Tokenizer

    @property
    def room(self) -> int:
        """Most tokens of a prompt."""
        return self.tokens - self.reserve


@dataclass(frozen=True)
class Window:
    """Every limit a prompt has to keep, and whose tokens are reported."""

    limits: tuple[Limit, ...] = ()
    """The budget first, then the model's own; empty: nothing is ever too long."""
    counter: Tokenizer | None = None
    """Whose tokens ``Fitted`` counts; None: words."""
    answer_tokens: int = 256
    """Longest previous answer that a later refinement prompt carries."""

    @classmethod
    def of(
        cls,
        *,
        reserve: int,
        answer_tokens: int,
        max_tokens: int | None = None,
        budget_tokenizer: Tokenizer | None = None,
        context_length: int | None = None,
        model_tokenizer: Tokenizer | None = None,
    ) -> Window:
        """The limits of a run.

        Args:
            reserve: tokens kept free for the answer.
            answer_tokens: longest answer, thinking not counted.
            max_tokens: ``--max-model-len``: counted in the budget tokenizer's tokens where there is one, else in the model's.
            budget_tokenizer: ``--budget-tokenizer`` (MedAlign, section 2.4: GPT-4 shown 2,048 tokens of Vicuna's).
            context_length: the model's own window; holds besides the budget.
            model_tokenizer: None where it is not on this machine.

        Raises:
            UsageError: there is a window and nothing to count with.
        """
        limits: list[Limit] = []
        if budget_tokenizer is not None:
            budget = context_length if max_tokens is None else max_tokens
            if budget is not None:
                limits.append(Limit(budget, reserve, budget_tokenizer))
            if context_length is not None and model_tokenizer is not None:
                limits.append(Limit(context_length, reserve, model_tokenizer))
        else:
            window = min((n for n in (max_tokens, context_length) if n is not None), default=None)
            if window is not None and model_tokenizer is None:
                raise UsageError(
                    f"the window is {window:,} tokens, but the model's tokenizer is not on this machine to count them; "
                    f"give --budget-tokenizer PATH (a folder with a tokenizer.json, or 'words')"
                )
            if window is not None and model_tokenizer is not None:
                limits.append(Limit(window, reserve, model_tokenizer))
        return cls(tuple(limits), budget_tokenizer or model_tokenizer, answer_tokens)


class Overflow(Exception):
    """A prompt that cannot fit. Holds numbers only; the item's outcome is ``overflow``."""

    def __init__(self, prompt_tokens: int, limit: Limit, record_tokens: int | None) -> None:
        """Say what does not fit.

        Args:
            prompt_tokens: what the prompt needs, at least: without its record where a record may be cut, else with it.
            limit: the window it does not fit.
            record_tokens: tokens of the whole record, None where it was not counted.
        """
        self.prompt_tokens = prompt_tokens
        self.window = limit.tokens
        self.reserve = limit.reserve
        self.record_tokens = record_tokens
        self.tokenizer = limit.tokenizer.name
        super().__init__(
            f"the prompt needs {prompt_tokens:,} tokens or more and {limit.reserve:,} are kept for the answer; the window has "
            f"{limit.tokens:,} ({limit.tokenizer.name})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuilt, (self.prompt_tokens, self.window, self.reserve, self.record_tokens, self.tokenizer))


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name


def _rebuilt(prompt_tokens: int, window: int, reserve: int, record_tokens: int | None, tokenizer: str) -> Overflow:
    return Overflow(prompt_tokens, Limit(window, reserve, _Named(tokenizer)), record_tokens)  # type: ignore[arg-type]
