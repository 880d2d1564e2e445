"""Any benchmark from one JSONL file: a question an object, with its answer and, if there is one, its record.

Keys: ``id``, ``question``; ``answer`` or ``answers``; ``labels``, ``choices``, ``group``; ``record`` (the text itself) or
``record_file`` (a file below the data folder, plain text or MedAlign's XML). Other keys become slots of the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.fields import FieldOptions, ItemsReading, inside
from ehrbench.readers.reader import reader
from ehrbench.records import Record, read_record_file
from ehrbench.records.plain_text import text_record
from ehrbench.text_files import is_utf16, not_utf8

DEFAULT_FILE = "items.jsonl"


class Options(FieldOptions):
    """``data.options`` of ``jsonl``."""

    file: str = DEFAULT_FILE
    """The questions' file below the folder."""


def _file(root: Path, options: Options) -> Path:
    path = inside(root, options.file)
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
    reading = ItemsReading(root, options, "line")
    for line in _lines(path):
        reading.add(line.data, line.number, line.offset, f"{path}:{line.number}")
    if not reading.items:
        raise UsageError(f"{path}: the file holds no question")
    return Dataset(
        root=root,
        items=tuple(reading.items),
        files=(path, *reading.files.values()),
        load_record=_loader(path, reading, options.rendering) if reading.inline or reading.files else None,
        warnings=reading.warnings(path.name),
    )


def _loader(source: Path, reading: ItemsReading, rendering: str) -> Callable[[str], Record]:
    def load(record_id: str) -> Record:
        if path := reading.files.get(record_id):
            return read_record_file(path, record_id, rendering)
        if record_id not in reading.inline:
            raise UsageError(f"record '{record_id}' belongs to no item of {source}")
        with source.open("rb") as file:
            file.seek(reading.inline[record_id])
            data = _parse(file.readline(), str(source))
        return text_record(record_id, str(data[reading.keys["record"]]))

    return load
