"""What some models can do beside answering: one protocol per ability, asked with ``isinstance``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from ehrbench.errors import UsageError
from ehrbench.models.protocol import Finish, Usage


class NoProbabilitiesError(UsageError):
    """A model cannot give probabilities of choices, whatever it is asked; it is then asked for its answer instead."""


@runtime_checkable
class Describes(Protocol):
    """Learns of its window and version from its server, once the data policy has let it speak to that server."""

    def describe(self) -> object:
        """Ask; raises MissingError where nobody answers."""


@runtime_checkable
class FittedOnGolds(Protocol):
    """A baseline that is made from the gold answers; no other model is ever shown one."""

    def fit(self, classes: Sequence[str]) -> None:
        """Take the gold class of every item of the dataset that has one."""


@runtime_checkable
class Priced(Protocol):
    """Knows what tokens cost."""

    def price(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        """US dollars for so many tokens; None where no prices are known."""


@runtime_checkable
class MeetsServerByFile(Protocol):
    """Writes its calls to a file or reads the replies from one; nothing can be asked twice, or tried first."""

    by_file: Literal[True]


@runtime_checkable
class UsesTemplate(Protocol):
    """Says whose chat template makes its prompts."""

    template: str | None
    """For people (``of the checkpoint``); None: it has none, and is given the task's text alone, as a base model."""


@runtime_checkable
class IntroducesItself(Protocol):
    """Says in one line how it is asked, for whoever starts a run."""

    introduction: str


class Likelihood(NamedTuple):
    """Of one text."""

    value: float
    """Natural logarithm of its probability: the sum over its tokens."""
    greedy: bool
    """Whether greedy decoding would have written it."""


class LikelihoodRequest(NamedTuple):
    """Ask for the log-likelihoods of a few texts."""

    id: str
    texts: tuple[tuple[str, ...], ...]
    """Each ``(context, continuation)``, or ``(text,)`` for a whole text from its first token on."""


@dataclass(frozen=True, slots=True)
class LikelihoodResponse(Usage):
    """In the order of the request's texts."""

    id: str
    likelihoods: tuple[Likelihood, ...] = ()
    finish: Finish = "stop"
    error: str | None = None


@runtime_checkable
class GivesLikelihoods(Protocol):
    """Tells log-likelihoods of given texts: what lm-eval's tasks ask beside answers."""

    def log_likelihoods(self, requests: Iterable[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        """Answer every request, in any order; never raises for one bad request."""
