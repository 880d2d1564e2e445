"""What the run engine asks of a model, and what a model answers.

A backend implements ``Model``. It never raises for one bad request: a failure is a ``Response`` whose ``finish`` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from ehrbench.records.record import Entry


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model."""

    id: str
    """Names the response; unique among the requests in flight."""
    messages: tuple[Message, ...]
    """The conversation so far; a base model is given the contents joined by a newline."""
    max_tokens: int
    """Most tokens of the answer proper."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """Strings that end the answer; not part of it."""
    seed: int | None = None
    max_reasoning_tokens: int = 0
    """Allowance for thinking, added to ``max_tokens`` where the model thinks."""
    prefix: str | None = None
    """Requests with the same value share the beginning of their prompt (the record's hash): a hint for scheduling."""
    spellings: tuple[tuple[str, ...], ...] = ()
    """Of each choice, where the call is for probabilities instead of an answer (``runs.choices``); no backend sees it."""
    item: str = ""
    """The item's id. This and the fields below are for baselines and ``replay:``; no backend shows or sends them."""
    question: str = ""
    """The item's question."""
    record: str = ""
    """What the messages show of the record: all of it, or the part that was kept, without the prompt's words round it."""
    entries: Sequence[Entry] = ()
    """Where the dated entries of ``record`` begin and end, where that is known."""
    choices: tuple[str, ...] = ()
    """The closed set the answer is taken from; never the gold."""


Doubt = Literal["prompt_count", "choice_not_listed", "thinking_tags"]
"""Why an answer that stands is doubtful. ``prompt_count``: the server counted fewer tokens than the prompt has, probably those
that it did not have in its cache. ``choice_not_listed``: the server did not list a choice, whose probability is the most that it
can be. ``thinking_tags``: the answer begins as a thought does, between markers that are not known."""

Finish = Literal["stop", "length", "reasoning_length", "overflow", "refused", "error"]
"""How a call ended. ``reasoning_length``: tokens ran out before the thinking ended. ``overflow``: the prompt does not fit.
``refused``: a provider's content filter. ``error``: no answer after the retries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call took. A count is None where nobody says it."""

    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    """Prompt tokens that the engine took from its prefix cache."""
    seconds: float = 0.0
    cost: float | None = None
    """In US dollars, where prices are known."""
    attempts: int = 1


_USAGE = tuple(one.name for one in fields(Usage))


def usage_of(one: Usage) -> dict[str, Any]:
    """The counts of a response or step by name, for another that the same call made."""
    return {name: getattr(one, name) for name in _USAGE}


def usage_of_all(several: Sequence[Usage]) -> dict[str, Any]:
    """Sums of counts, None where none is known; of attempts the most."""
    added = {name: [value for one in several if (value := getattr(one, name)) is not None] for name in _USAGE}
    return {name: (max if name == "attempts" else sum)(known) if known else None for name, known in added.items()}


@dataclass(frozen=True, slots=True)
class Response(Usage):
    """The outcome of one call."""

    id: str
    """The request's id."""
    text: str = ""
    """The answer, thinking taken out; empty unless ``finish`` is ``stop`` or ``length``."""
    finish: Finish = "stop"
    reasoning: str | None = None
    """The thinking, where there was any."""
    error: str | None = None
    """Class of a failure ("HTTP 500", "ConnectionReset"): never the body, which may quote the prompt."""
    probabilities: tuple[float, ...] | None = None
    """Of the item's choices, where they were asked for."""
    hard: bool = False
    """The probabilities are 0 and 1, made from a label, because the model gives none."""
    mass: float | None = None
    """How much of the whole distribution the choices held, before normalising; None where unknown."""
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """Ask for the probability of each of a few continuations."""

    id: str
    messages: tuple[Message, ...]
    choices: tuple[tuple[str, ...], ...]
    """One tuple of spellings a choice: the probability of a choice sums over its spellings (``yes``, `` yes``, ``Yes``)."""
    prefix: str | None = None
    item: str = ""
    """The item's id, for ``replay:``; never sent."""
    whole: bool = False
    """The probability of whole spellings is asked for, not of their first tokens; a server tells only those."""


@dataclass(frozen=True, slots=True)
class ChoiceResponse(Usage):
    """Probabilities of the choices at the first answer token, normalised to sum to 1 over them."""

    id: str
    probabilities: tuple[float, ...] = ()
    finish: Finish = "stop"
    error: str | None = None
    mass: float | None = None
    """How much of the whole distribution the choices held, before normalising; None where unknown."""
    doubts: tuple[Doubt, ...] = ()


class Tokens(NamedTuple):
    """A tokenised text."""

    ids: Sequence[int]
    starts: Sequence[int]
    """Character offset at which each token begins."""


@runtime_checkable
class Tokenizer(Protocol):
    """Counts and places tokens; special tokens are never added."""

    @property
    def name(self) -> str:
        """For people: the last part of a folder or hub id."""

    @property
    def fingerprint(self) -> str:
        """Hash of the vocabulary and rules: goes into the manifest."""

    def encode(self, text: str) -> Tokens:
        """Tokenise ``text``. Markers that the tokenizer knows (``<|eot_id|>``) count as the one token they are."""

    def count(self, text: str) -> int:
        """How many tokens ``text`` has."""


@dataclass(frozen=True)
class ModelIdentity:
    """What makes two runs the same model: part of the cache key, the manifest and the folder's name."""

    name: str
    """For people and folders: the last part of a path or the served name."""
    backend: str
    """``hf``, ``openai``, ``baseline`` …"""
    revision: str | None = None
    """Hub revision, hash of the weights, or what the server reports."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every option that changes an answer (dtype, quantisation, thinking switch), plain JSON values."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Engine and library versions: recorded, not part of the key."""


class Model(Protocol):
    """A backend, ready to answer."""

    identity: ModelIdentity
    endpoint: str | None
    """URL of a server; None for a model in this process."""
    is_remote: bool
    """True unless the text stays on this machine (in-process, or a server on the loopback interface)."""
    context_length: int | None
    """Tokens of prompt and answer together; None where unknown or unlimited."""
    tokenizer: Tokenizer | None
    """The model's own; None where it is not to be had on this machine."""
    thinks: bool
    """Whether it reasons before it answers: its window then keeps room for that."""
    streaming: bool
    """True: ``generate`` may be given an iterator that blocks until follow-up requests are ready, keeps many requests in flight
    and yields each response as it comes. False: it is given finite rounds and batches them as it likes."""

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The exact text that is tokenised for ``messages`` (chat template applied), or the best estimate of it."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, in any order; never raises for one bad request."""

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Probabilities of choices; raises NoProbabilitiesError where the backend has no log-probabilities."""

    def close(self) -> None:
        """Free the engine or the connections."""
