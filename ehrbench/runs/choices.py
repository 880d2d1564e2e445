"""Tasks answered by the probability of a choice: wraps a model so that its answers carry probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import MeetsServerByFile, NoProbabilitiesError
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Model, Request, Response, usage_of
from ehrbench.readers.item import Item
from ehrbench.runs.likelihoods import WithLikelihoods
from ehrbench.runs.repeats import WithRepeats, answers_wanted
from ehrbench.runs.wrapped import Wrapped
from ehrbench.tasks.schema import TaskSpec

_SLACK = 1e-6
"""Rounding that a sum of probabilities may have."""


class WithProbabilities(Wrapped):
    """Answers requests that have ``spellings`` with the likeliest choice and the probability of each.

    A model without log-probabilities is asked for its answer instead: the label in it has probability 1, and the response says
    ``hard``, so that such numbers are never ranked with probabilities. Any other error is the run's.
    """

    def __init__(self, model: Model, whole: bool = False) -> None:
        """Wrap a model; ``whole``: see ``ChoiceRequest``."""
        super().__init__(model)
        self._whole = whole
        self._gives_probabilities = True

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer one round."""
        asked = list(requests)
        yield from self._model.generate([r for r in asked if not r.spellings])
        by_id = {r.id: r for r in asked if r.spellings}
        if self._gives_probabilities and by_id:
            choices = [
                ChoiceRequest(r.id, r.messages, r.spellings, r.prefix, item=r.item, whole=self._whole) for r in by_id.values()
            ]
            try:
                for response in self._model.choice_probabilities(choices):
                    yield likeliest(by_id.pop(response.id), response)
            except NoProbabilitiesError:
                self._gives_probabilities = False
        if by_id:
            for answer in self._model.generate(by_id.values()):
                yield labelled(by_id[answer.id], answer)


def answering_model(task: TaskSpec, model: Model) -> Model:
    """The model, wrapped so that it gives the task's kind of output.

    Raises:
        UsageError: the model cannot give that kind of output.
    """
    if task.output == "choice_probabilities":
        return model if isinstance(model, MeetsServerByFile) else WithProbabilities(model, task.spellings == "spaced")
    if task.output == "log_likelihoods":
        return WithLikelihoods(model)
    times = answers_wanted(task)
    return WithRepeats(model, times) if times > 1 else model


def asked_texts(task: TaskSpec, item: Item) -> tuple[tuple[str, ...], ...]:
    """What a request asks the probability of; nothing where an answer is to be written."""
    if task.output == "choice_probabilities":
        return choice_spellings(task, item)
    if task.output == "log_likelihoods":
        if "requests" not in item.slots:
            raise UsageError(f"task '{task.task}': output 'log_likelihoods' is for the reader lm_eval, not '{task.data.reader}'")
        texts: tuple[tuple[str, ...], ...] = item.slots["requests"]
        return texts
    return ()


def choice_spellings(task: TaskSpec, item: Item) -> tuple[tuple[str, ...], ...]:
    """The spellings that count as each choice: as it is, after a blank, or in any of its usual forms (``task.spellings``)."""
    if task.spellings in ("exact", "spaced"):
        return tuple((f" {choice}" if task.spellings == "spaced" else choice,) for choice in item.choices)
    return tuple(
        tuple(dict.fromkeys(blank + word for word in (c, c.capitalize(), c.upper(), c.lower()) for blank in ("", " ")))
        for c in item.choices
    )


def likeliest(request: Request, response: ChoiceResponse) -> Response:
    """Probabilities of the choices as a response whose text is the likeliest choice; an error where one is not a probability."""
    if not all(0 <= share <= 1 + _SLACK for share in response.probabilities):  # NaN is neither
        response = replace(response, probabilities=(), finish="error", error=NOT_A_NUMBER)
    text = ""
    if response.probabilities:
        text = max(zip(response.probabilities, request.choices, strict=True), key=lambda pair: pair[0])[1]
    return Response(
        id=response.id,
        text=text,
        finish=response.finish,
        error=response.error,
        probabilities=response.probabilities or None,
        mass=response.mass,
        doubts=response.doubts,
        **usage_of(response),
    )


def labelled(request: Request, answer: Response) -> Response:
    """An answer whose first word is a choice, as probabilities of 0 and 1; an answer that names none has none."""
    words = answer.text.split()
    first = words[0].strip(".,;:!*\"'").casefold() if words else ""
    match = [float(choice.casefold() == first) for choice in request.choices]
    return replace(answer, probabilities=tuple(match) if sum(match) == 1 else None, hard=True)
