"""Models that need no model: what any language model has to beat.

``baseline:bm25`` answers with the sentences of the record that match the question best, ``baseline:newest`` with the newest note,
``baseline:empty`` with nothing. They read ``Request.question`` and ``Request.record``, not the prompt. They have no window of
their own: a record is cut for them only where a run counts one with ``--budget-tokenizer``. ``baseline:majority`` gives every
item the most common gold answer, which the engine tells it, and no real model, before it asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import unescape

from ehrbench.errors import UsageError, unknown_name
from ehrbench.models.arguments import Arguments
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, ModelIdentity, Request, Response, Tokenizer
from ehrbench.stats.majority import majority

_MARKUP = re.compile(r"</?[A-Za-z_][^<>]*>|<!--.*?-->|<\?.*?\?>", re.DOTALL)
_ATTRIBUTE = re.compile(r"""\b(name|unit|type)\s*=\s*["']([^"'<>]*)["']""")
_NOTE = re.compile(
    r"""<note\b[^<>]*>(?P<a>.*?)</note>|<event\b[^<>]*\b(?:type|table)\s*=\s*["']note["'][^<>]*>(?P<b>.*?)</event>""", re.DOTALL
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\[(])|\s*\n\s*")
_UNDATED = datetime(1, 1, 1)  # noqa: DTZ001 (record times have no zone)

Answerer = Callable[[Request], str]
"""From a request to the whole answer, before it is cut to ``max_tokens`` words."""


class Baseline:
    """Wraps a rule so that it can be run as a model."""

    endpoint: str | None = None
    is_remote = False
    context_length: int | None = None
    tokenizer: Tokenizer | None = None
    thinks = False
    streaming = True
    _verbatim = False
    """Whether white space is part of the answer."""

    def __init__(self, name: str, answer: Answerer) -> None:
        """Name a rule."""
        self.identity = ModelIdentity(name=name, backend="baseline", revision="1")
        self._answer = answer

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The contents joined by a newline."""
        return "\n".join(message.content for message in messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order given, with at most ``max_tokens`` words."""
        for request in requests:
            answer = self._answer(request)
            words = answer.split()
            cut = len(words) > request.max_tokens
            text = " ".join(words[: request.max_tokens]) if cut or not self._verbatim else answer
            yield Response(request.id, text, "length" if cut else "stop", answer_tokens=min(len(words), request.max_tokens))

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Baselines have none."""
        raise NoProbabilitiesError(
            f"baseline:{self.identity.name} gives no probabilities; this task needs a model with log-probabilities"
        )

    def close(self) -> None:
        """Nothing to free."""


class Majority(Baseline):
    """The most common gold answer of a task, for every item."""

    _verbatim = True

    def __init__(self) -> None:
        """Know nothing yet."""
        super().__init__("majority", self._most_common)
        self._best: str | None = None

    def fit(self, classes: Sequence[str]) -> None:
        """Learn a task's gold answers, one per item.

        Raises:
            UsageError: there are none.
        """
        if not classes:
            raise UsageError("baseline:majority needs gold answers, and this task has none; choose another baseline")
        self._best = majority(classes)[0]

    def _most_common(self, request: Request) -> str:
        if self._best is None:
            raise UsageError("baseline:majority was asked before it was told a task's gold answers; run it with `ehrbench run`")
        return self._best


def load(name: str, args: Mapping[str, str], max_model_len: int | None) -> Baseline:
    """Make a baseline; ``max_model_len`` is taken and not needed.

    Raises:
        UsageError: an unknown baseline, or any argument.
    """
    Arguments(f"baseline:{name}", args, {})
    if name == "majority":
        return Majority()
    if name not in BASELINES:
        raise UsageError(unknown_name("baseline", name, [*BASELINES, "majority"]))
    return Baseline(name, BASELINES[name]())


def _bm25() -> Answerer:
    from ehrbench.bm25 import Okapi, tokenize

    # Items on one record are neighbours, so the index of the record before is usually the one that is needed.
    record: str | None = None
    pieces: list[str] = []
    index = Okapi([])

    def answer(request: Request) -> str:
        nonlocal record, pieces, index
        if request.record != record:
            pieces = sentences(request)
            index = Okapi([tokenize(piece) for piece in pieces])
            record = request.record
        query = tokenize(request.question)
        scores = index.scores(query)
        chosen, n_words = [], 0
        for i in index.best(query):
            if n_words >= request.max_tokens:
                break
            # Zero is no match; a match on words that most sentences hold may score below it (short records).
            if scores[i] != 0:
                chosen.append(i)
                n_words += len(pieces[i].split())
        return " ".join(pieces[i] for i in chosen)

    return answer


def _newest(request: Request) -> str:
    notes = [entry for entry in request.entries if "note" in entry.kind] or list(request.entries)
    if not notes:
        # Records are oldest first, so the last note of the text is the newest.
        found = list(_NOTE.finditer(request.record))
        return plain(found[-1]["a"] or found[-1]["b"] or "") if found else "\n".join(sentences(request)[-3:])
    # Undated entries come before dated ones; among equals the later in the document is the newer.
    _, newest = max(enumerate(notes), key=lambda pair: (pair[1].time or _UNDATED, pair[0]))
    return plain(request.record[newest.start : newest.end])


def sentences(request: Request) -> list[str]:
    """The sentences and lines of a record, free of markup; of its entries where they are known."""
    spans = [(entry.start, entry.end) for entry in request.entries] or [(0, len(request.record))]
    texts = (_SENTENCE_END.split(_MARKUP.sub(_as_words, request.record[start:end])) for start, end in spans)
    return [unescape(piece.strip()) for pieces in texts for piece in pieces if piece and not piece.isspace()]


def plain(text: str) -> str:
    """A text without XML markup."""
    return unescape(_MARKUP.sub(" ", text)).strip()


def _as_words(tag: re.Match[str]) -> str:
    """What a tag says in words: an event's name and unit stand in its attributes, its value behind them."""
    attributes = dict(_ATTRIBUTE.findall(tag[0]))
    name = attributes.get("name", "NULL")
    if name == "NULL" or attributes.get("type") == "note":
        return "\n"
    unit = attributes.get("unit", "NULL")
    return f"\n{name} " if unit == "NULL" else f"\n{name} ({unit}) "


BASELINES: dict[str, Callable[[], Answerer]] = {
    "bm25": _bm25,
    "empty": lambda: lambda request: "",
    "newest": lambda: _newest,
}
"""A rule is made anew for each model, so that what it remembers is its own."""
