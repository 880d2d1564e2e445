"""From the keys of a row, under names that the user may give, to an item: shared by the readers ``jsonl`` and ``hf``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_text
from ehrbench.readers.item import Item
from ehrbench.readers.reader import ReaderOptions

KEYS = ("id", "question", "answer", "answers", "labels", "choices", "group", "record", "record_file")
_ID = re.compile(r"[!-~]{1,128}\Z")


class FieldOptions(ReaderOptions):
    """What both readers take."""

    fields: dict[str, str] = {}
    """Our names of keys to the data's, where they differ."""
    meta: tuple[str, ...] = ()
    """Keys for scorers and strata, which no prompt shows."""
    rendering: Literal["raw", "visits", "compact"] = "raw"
    """Of XML records."""

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: dict[str, str]) -> dict[str, str]:
        for name in fields:
            if name not in KEYS:
                raise ValueError(unknown_name("key", name, KEYS))
        return fields


def inside(root: Path, name: str) -> Path | None:
    """The path of a file named in the data, or None where it leads out of the data folder, by a link too."""
    path = root / name
    try:
        return path if "\0" not in name and path.resolve().is_relative_to(root.resolve()) else None
    except (OSError, RuntimeError):
        return None


def _is_file(path: Path) -> bool:
    """Whether a file is there; a name that is too long for the disk names no file."""
    try:
        return path.is_file()
    except OSError:
        return False


def _text(value: object, key: str, place: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise UsageError(f"{place}: '{key}' is a {type(value).__name__}; expected text or a number")


def _texts(value: object, key: str, place: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UsageError(f"{place}: '{key}' is a {type(value).__name__}; expected a list of texts")
    return tuple(_text(one, key, place) for one in value)


@dataclass
class ItemsReading:
    """What is gathered while rows are read."""

    root: Path
    options: FieldOptions
    unit: str
    """What a row is called in messages: ``line`` or ``row``."""
    items: list[Item] = field(default_factory=list)
    inline: dict[str, int] = field(default_factory=dict)
    """Record id to where the first row lies that holds the record, so that an inline record is read again instead of held."""
    files: dict[str, Path] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    """Item id to the number of its row."""
    n_without_gold: int = 0

    def __post_init__(self) -> None:
        """Take the names from the options."""
        self.keys = {key: self.options.fields.get(key, key) for key in KEYS}
        self._taken = frozenset(self.keys.values())
        self._meta = frozenset(self.options.meta)

    def add(self, data: Mapping[str, Any], number: int, position: int, place: str) -> None:
        """Make an item of a row.

        Args:
            data: the row's values by the data's own names.
            number: of the row, for messages.
            position: where to find the row again.
            place: for messages.

        Raises:
            UsageError: a value is missing or of a wrong kind, an id is there twice, or a path leads out of the data folder.
            MissingError: a record's file is not there.
        """

        def value(key: str) -> Any:
            return data.get(self.keys[key])

        for key in ("id", "question"):
            if value(key) in (None, ""):
                raise UsageError(
                    f"{place}: no '{self.keys[key]}'; if the key has another name, give it in data.options.fields.{key}"
                )
        item_id = _text(value("id"), self.keys["id"], place)
        if not _ID.match(item_id):
            raise UsageError(f"{place}: '{self.keys['id']}' must be 1 to 128 printable characters without blanks")
        if item_id in self.places:
            raise UsageError(f"{place}: the id {item_id} is there already, on {self.unit} {self.places[item_id]}")
        self.places[item_id] = number
        if value("answer") is not None and value("answers") is not None:
            raise UsageError(f"{place}: both '{self.keys['answer']}' and '{self.keys['answers']}'; give one of them")
        one = value("answer")
        references = (
            _texts(value("answers"), self.keys["answers"], place) if one is None else (_text(one, self.keys["answer"], place),)
        )
        labels = _texts(value("labels"), self.keys["labels"], place)
        self.n_without_gold += not references and not labels
        group = value("group")
        further = {key: content for key, content in data.items() if key not in self._taken}
        self.items.append(
            Item(
                id=item_id,
                question=_text(value("question"), self.keys["question"], place),
                record_id=self._record(value("record"), value("record_file"), position, place),
                references=references,
                labels=labels,
                choices=_texts(value("choices"), self.keys["choices"], place),
                group=None if group is None else _text(group, self.keys["group"], place),
                slots={key: content for key, content in further.items() if key not in self._meta},
                meta={key: content for key, content in further.items() if key in self._meta},
            )
        )

    def _record(self, text: Any, name: Any, position: int, place: str) -> str | None:
        if text is None and name is None:
            return None
        if text is not None and name is not None:
            raise UsageError(f"{place}: both '{self.keys['record']}' and '{self.keys['record_file']}'; give one of them")
        if text is not None:
            record_id = hash_text(_text(text, self.keys["record"], place))[:16]
            self.inline.setdefault(record_id, position)
            return record_id
        file_name = _text(name, self.keys["record_file"], place)
        if file_name not in self.files:
            path = inside(self.root, file_name)
            if path is None:
                raise UsageError(f"{place}: '{self.keys['record_file']}' leads out of the data folder; records must lie below it")
            if not _is_file(path):
                raise MissingError(f"{place}: the record file that '{self.keys['record_file']}' names is not in {self.root}")
            self.files[file_name] = path
        return file_name

    def warnings(self, name: str) -> tuple[str, ...]:
        """What was odd but harmless; ``name`` names the data."""
        return (f"{name}: {self.n_without_gold} items have neither answer nor labels",) if self.n_without_gold else ()
