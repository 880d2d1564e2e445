"""What a reader is: a function from a folder and its options to a dataset, with what can be checked before the data are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ehrbench.errors import UsageError, unknown_name
from ehrbench.readers.dataset import Dataset


class ReaderOptions(BaseModel):
    """A reader's ``data.options``: subclass it, one field per option. Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


O = TypeVar("O", bound=ReaderOptions)  # noqa: E741 - the options of one reader


class Reader(Generic[O]):
    """Opens a release; made by the decorator ``reader``."""

    def __init__(
        self,
        open_release: Callable[[Path, O], Dataset],
        options: type[O],
        recognises: Callable[[Path, O], bool] | None,
        slots: Sequence[str] | None,
        meta: Sequence[str] | None,
        lacks: Callable[[Path, O], str | None] | None = None,
        elsewhere: Callable[[O], Path | None] | None = None,
    ) -> None:
        """See ``reader``."""
        self._elsewhere = elsewhere
        self._open = open_release
        self._lacks = lacks
        self._recognises = recognises
        self.options = options
        self.slots = slots
        """Further prompt slots that its items fill; None: the data decide."""
        self.meta = meta
        """Keys of ``Item.meta`` that it fills, which strata may name; None: the data decide."""
        self.__module__ = open_release.__module__
        self.__doc__ = open_release.__doc__

    def __call__(self, root: Path, options: Mapping[str, Any]) -> Dataset:
        """Open a release.

        Args:
            root: the folder that the user named for the task's data.
            options: the task file's ``data.options``.

        Raises:
            MissingError: files are absent.
            UsageError: an option is unknown or wrong, or a file is malformed (naming the file and the row).
        """
        dataset = self._open(root, self._parsed(options))
        if not isinstance(dataset, Dataset):
            raise UsageError(
                f"the reader in {self.__module__} returned a {type(dataset).__name__}; expected an ehrbench Dataset "
                "(docs/extending.md)"
            )
        return dataset

    def recognises(self, root: Path, options: Mapping[str, Any]) -> bool | None:
        """Whether a release lies in a folder, told without reading it; None where only reading can tell."""
        return None if self._recognises is None else self._recognises(root, self._parsed(options))

    def lacks(self, root: Path, options: Mapping[str, Any]) -> str | None:
        """A sentence where a recognised release has no item of the task, told without reading the items; else None."""
        return None if self._lacks is None else self._lacks(root, self._parsed(options))

    def elsewhere(self, options: Mapping[str, Any]) -> Path | None:
        """The folder of data that do not lie below the user's data folder (the cache of a hub); None for all others.

        Raises:
            MissingError: they should be there and are not.
        """
        return None if self._elsewhere is None else self._elsewhere(self._parsed(options))

    def problems(self, options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Every fault of some options, as (option, sentence); no data are needed."""
        try:
            self.options.model_validate(dict(options))
        except ValidationError as error:
            return [_problem(fault, self.options) for fault in error.errors()]
        return []

    def _parsed(self, options: Mapping[str, Any]) -> O:
        if problems := self.problems(options):
            raise UsageError("; ".join(sentence for _, sentence in problems))
        return self.options.model_validate(dict(options))


def _problem(fault: Any, options: type[ReaderOptions]) -> tuple[str, str]:
    place = [str(part) for part in fault["loc"]] or ["options"]
    name = ".".join(["data.options", *place[:1]])
    if fault["type"] == "extra_forbidden":
        return place[0], unknown_name("key of data.options", place[0], options.model_fields)
    if fault["type"] == "missing":
        return place[0], f"missing key '{name}'"
    if fault["type"] == "literal_error":
        return place[0], f"{name} is '{fault['input']}'; expected {fault['ctx']['expected']}"
    if fault["type"] == "value_error":
        return place[0], f"{name}: {fault['ctx']['error']}" if fault["loc"] else str(fault["ctx"]["error"])
    return place[0], f"{name}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def reader(
    options: type[O],
    *,
    recognises: Callable[[Path, O], bool] | None = None,
    slots: Sequence[str] | None = (),
    meta: Sequence[str] | None = (),
    lacks: Callable[[Path, O], str | None] | None = None,
    elsewhere: Callable[[O], Path | None] | None = None,
) -> Callable[[Callable[[Path, O], Dataset]], Reader[O]]:
    """Make a reader of a function ``(folder, options) -> Dataset``, which may not hold all records: ``load_record`` reads one.

    Args:
        options: the model of its ``data.options``.
        recognises: says whether a folder holds the release, by its files' names alone; None: nobody can without reading.
        slots: prompt slots that every item fills beside those of every task; None: the data decide.
        meta: keys of ``Item.meta``; None: the data decide.
        lacks: says in a sentence that a recognised folder has no item of the task, from what can be told at once; or None.
        elsewhere: the folder of data that do not lie below the user's data folder; None where they do.
    """
    return lambda open_release: Reader(open_release, options, recognises, slots, meta, lacks, elsewhere)
