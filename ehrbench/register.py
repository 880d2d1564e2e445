"""Decorators that add a thing of one's own to ehrbench in this process; a package does the same with entry points.

@ehrbench.register.reader("mine", Options)
def read(root, options): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ehrbench.metrics import METRICS
from ehrbench.metrics.metric import Kind, Metric, Need, Scorable, Statistics
from ehrbench.models.loading import MODELS, Backend
from ehrbench.readers import READERS, Dataset, Reader, ReaderOptions
from ehrbench.tasks.answers import ANSWERS, CleanUp

O = TypeVar("O", bound=ReaderOptions)  # noqa: E741 - the options of one reader
Score = Callable[[str, Sequence[str]], float | None]


def metric(
    name: str,
    *,
    label: str | None = None,
    kind: Kind = "item_mean",
    range: tuple[float, float] = (0.0, 1.0),
    higher_is_better: bool = True,
    needs: Iterable[Need] = ("reference",),
    about: str = "",
    cite: str = "",
    note: str = "",
) -> Callable[[Score], Metric]:
    """Register a metric that is a mean over items: a function ``(answer, references) -> score``, None where it is undefined.

    Args:
        name: the key in task files and results.
        label: for people; default: the name.
        kind: see ``Metric``.
        range: worst and best value, in the order lower, upper.
        higher_is_better: its direction.
        needs: what an item must have.
        about: what a value says, in a sentence or two.
        cite: where the rule is from.
        note: a caveat shown beside the number.

    Raises:
        UsageError: the name is taken.
    """

    def add(score: Score) -> Metric:
        def scored(scorables: Sequence[Scorable]) -> list[Statistics | None]:
            values = [score(one.answer, one.references) for one in scorables]
            return [None if value is None else (float(value),) for value in values]

        made = Metric(
            name=name,
            version=1,
            label=label or name,
            kind=kind,
            score=scored,
            range=range,
            higher_is_better=higher_is_better,
            needs=frozenset(needs),
            about=about,
            cite=cite,
            note=note,
            processes=False,
        )
        METRICS.register(name, made)
        return made

    return add


def reader(
    name: str,
    options: type[O] = ReaderOptions,  # type: ignore[assignment]
    *,
    recognises: Callable[[Path, O], bool] | None = None,
    slots: Sequence[str] | None = None,
    meta: Sequence[str] | None = None,
) -> Callable[[Callable[[Path, O], Dataset]], Reader[O]]:
    """Register a reader; see ``ehrbench.readers.reader`` for the arguments.

    Raises:
        UsageError: the name is taken.
    """

    def add(open_release: Callable[[Path, O], Dataset]) -> Reader[O]:
        made = Reader(open_release, options, recognises, slots, meta)
        READERS.register(name, made)
        return made

    return add


def model(name: str) -> Callable[[Backend], Backend]:
    """Register a backend, so that ``--model name:…`` means it: a function ``(rest, model_args, max_model_len) -> Model``.

    Raises:
        UsageError: the name is taken.
    """

    def add(load: Backend) -> Backend:
        MODELS.register(name, load)
        return load

    return add


def answer(name: str) -> Callable[[CleanUp], CleanUp]:
    """Register a clean-up of answers: a function ``(text, item) -> text``, None where there is no answer in it.

    Raises:
        UsageError: the name is taken.
    """

    def add(clean_up: CleanUp) -> CleanUp:
        ANSWERS.register(name, clean_up)
        return clean_up

    return add
