"""Any benchmark from one JSONL file: a question an object, with its answer and, if there is one, its record.

Keys: ``id``, ``question``; ``answer`` or ``answers``; ``labels``, ``choices``, ``group``; ``record`` (the text itself) or
``record_file`` (a file below the data folder, plain text or MedAlign's XML). Other keys become slots of the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from pydantic import field_validator

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_text
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.reader import ReaderOptions, reader
from ehrbench.records import Record, read_record_file
from ehrbench.records.plain_text import text_record
from ehrbench.text_files import is_utf16, not_utf8

KEYS = ("id", "question", "answer", "answers", "labels", "choices", "group", "record", "record_file")
DEFAULT_FILE = "items.jsonl"
_ID = re.compile(r"[!-~]{1,128}\Z")


def _inside(root: Path, name: str) -> Path | None:
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


class Options(ReaderOptions):
    """``data.options`` of ``jsonl``."""

    file: str = DEFAULT_FILE
    """The questions' file below the folder."""
    fields: dict[str, str] = {}
    """Our names of keys to the file's, where they differ."""
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


def _file(root: Path, options: Options) -> Path:
    path = _inside(root, options.file)
    if path is None:
        raise UsageError(f"data.options.file is '{options.file}', which leads out of the data folder")
    return path


def recognises(root: Path, options: Options) -> bool:
    """Whether the file that ``options`` name is in ``root``."""
    return _file(root, options).is_file()


def _lacks(root: Path, options: Options) -> str | None:
    path = _file(root, options)
    return f"{path} is empty" if path.stat().st_size == 0 else None


class _Line(NamedTuple):
    number: int
    offset: int
    """Of the first byte, so that an inline record is read again instead of held."""
    data: dict[str, Any]


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


def _lines(path: Path) -> Iterator[_Line]:
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            here, offset = offset, offset + len(raw)
            if not raw.strip(b" \t\r\n\xef\xbb\xbf"):
                continue
            if number == 1 and is_utf16(raw):
                raise UsageError(f"{path} {not_utf8(raw)}")
            yield _Line(number, here, _parse(raw, f"{path}:{number}"))


def _parse(raw: bytes, place: str) -> dict[str, Any]:
    try:
        data = json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
        if b"\\u" in raw:
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{place}: the line {not_utf8(raw)}") from None
    except UnicodeEncodeError:
        raise UsageError(
            f"{place}: a text of this line has half of a surrogate pair (\\ud800 to \\udfff), which is not a character"
        ) from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{place}: not JSON at column {error.colno} ({error.msg}); expected one object per line") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{place}: not JSON (NaN, Infinity or nested too deeply); expected one object per line") from None
    if not isinstance(data, dict):
        raise UsageError(f"{place}: expected an object with the keys of a question, found another kind of JSON value")
    return data


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
class _Reading:
    """What is gathered while the file is read."""

    root: Path
    path: Path
    keys: Mapping[str, str]
    """Our name of a key to the file's."""
    meta: frozenset[str]
    items: list[Item] = field(default_factory=list)
    inline: dict[str, int] = field(default_factory=dict)
    """Record id to the offset of the first line that holds the record."""
    files: dict[str, Path] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """Item id to its line."""
    n_without_gold: int = 0

    def add(self, line: _Line) -> None:
        place = f"{self.path}:{line.number}"
        data = line.data

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
        if item_id in self.lines:
            raise UsageError(f"{place}: the id {item_id} is there already, on line {self.lines[item_id]}")
        self.lines[item_id] = line.number
        if value("answer") is not None and value("answers") is not None:
            raise UsageError(f"{place}: both '{self.keys['answer']}' and '{self.keys['answers']}'; give one of them")
        one = value("answer")
        references = (
            _texts(value("answers"), self.keys["answers"], place) if one is None else (_text(one, self.keys["answer"], place),)
        )
        labels = _texts(value("labels"), self.keys["labels"], place)
        self.n_without_gold += not references and not labels
        group = value("group")
        further = {key: content for key, content in data.items() if key not in self.keys.values()}
        self.items.append(
            Item(
                id=item_id,
                question=_text(value("question"), self.keys["question"], place),
                record_id=self._record(value("record"), value("record_file"), line, place),
                references=references,
                labels=labels,
                choices=_texts(value("choices"), self.keys["choices"], place),
                group=None if group is None else _text(group, self.keys["group"], place),
                slots={key: content for key, content in further.items() if key not in self.meta},
                meta={key: content for key, content in further.items() if key in self.meta},
            )
        )

    def _record(self, text: Any, name: Any, line: _Line, place: str) -> str | None:
        if text is None and name is None:
            return None
        if text is not None and name is not None:
            raise UsageError(f"{place}: both '{self.keys['record']}' and '{self.keys['record_file']}'; give one of them")
        if text is not None:
            record_id = hash_text(_text(text, self.keys["record"], place))[:16]
            self.inline.setdefault(record_id, line.offset)
            return record_id
        file_name = _text(name, self.keys["record_file"], place)
        if file_name not in self.files:
            path = _inside(self.root, file_name)
            if path is None:
                raise UsageError(f"{place}: '{self.keys['record_file']}' leads out of the data folder; records must lie below it")
            if not _is_file(path):
                raise MissingError(f"{place}: the record file that '{self.keys['record_file']}' names is not in {self.root}")
            self.files[file_name] = path
        return file_name


@reader(Options, recognises=recognises, slots=None, meta=None, lacks=_lacks)
def read(root: Path, options: Options) -> Dataset:
    """Read a JSONL file of questions; nothing outside ``root`` is read.

    Raises:
        MissingError: the file, or a record file that it names, is not there.
        UsageError: a line is malformed, an id is there twice, or a path leads out of ``root``; the message names file and line.
    """
    path = _file(root, options)
    if not path.is_file():
        raise MissingError(f"{path} is not there; expected a JSONL file of questions (data.options.file names it)")
    reading = _Reading(root, path, {key: options.fields.get(key, key) for key in KEYS}, frozenset(options.meta))
    for line in _lines(path):
        reading.add(line)
    if not reading.items:
        raise UsageError(f"{path}: the file holds no question")
    warnings = (f"{path.name}: {reading.n_without_gold} items have neither answer nor labels",) if reading.n_without_gold else ()
    return Dataset(
        root=root,
        items=tuple(reading.items),
        files=(path, *reading.files.values()),
        load_record=_loader(reading, options.rendering) if reading.inline or reading.files else None,
        warnings=warnings,
    )


def _loader(reading: _Reading, rendering: str) -> Callable[[str], Record]:
    def load(record_id: str) -> Record:
        if path := reading.files.get(record_id):
            return read_record_file(path, record_id, rendering)
        if record_id not in reading.inline:
            raise UsageError(f"record '{record_id}' belongs to no item of {reading.path}")
        with reading.path.open("rb") as file:
            file.seek(reading.inline[record_id])
            data = _parse(file.readline(), str(reading.path))
        return text_record(record_id, str(data[reading.keys["record"]]))

    return load
