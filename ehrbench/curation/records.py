"""The records that questions are asked about: a MEDS data set, or a folder with a file per patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError
from ehrbench.readers.meds.extract import open_meds
from ehrbench.records import RECORD_FILES, Record
from ehrbench.records.plain_text import text_record
from ehrbench.records.safe_xml import read_text


class Span(NamedTuple):
    """The times of a record's first and last dated entries."""

    first: datetime
    last: datetime


@dataclass(frozen=True)
class Records:
    """Where records lie and how a question names its own."""

    root: Path
    reader: str
    """The reader that opens the folder with the questions in it."""
    find: Callable[[str], str | int | None]
    """A name in the table to the record's own; None where there is none."""
    load: Callable[[str | int], Record]
    order: Callable[[str | int], int]
    """Records in this order are read fastest."""
    key: str
    """The key of an item that names its record."""
    cut: bool
    """Whether the reader ends a record at a question's date."""
    n: int

    def spans(self, names: Iterable[str | int]) -> dict[str | int, Span | None]:
        """When each record begins and ends; None for a record without a dated entry."""
        spans: dict[str | int, Span | None] = {}
        for name in sorted(set(names), key=self.order):
            times = [entry.time for entry in self.load(name).entries if entry.time is not None]
            spans[name] = Span(min(times), max(times)) if times else None
        return spans

    def pointer(self, name: str | int, date: datetime | None) -> dict[str, Any]:
        """The keys of an item that name its record and, where the reader heeds it, the date at which the record ends."""
        return {self.key: name, **({"prediction_time": date.isoformat()} if self.cut and date is not None else {})}


def find_records(root: Path) -> Records:
    """Look at a folder of records.

    Args:
        root: a MEDS data set (``data/**/*.parquet``), or a folder with a text or XML file per record.

    Raises:
        MissingError: the folder is not there or has no records.
        UsageError: a data set that cannot be read.
    """
    if not root.is_dir():
        raise MissingError(f"the folder of records {root} is not there; expected a MEDS data set, or a folder of record files")
    return _meds(root) if any((root / "data").rglob("*.parquet")) else _files(root)


def _meds(root: Path) -> Records:
    data = open_meds(root)
    position = {subject: at for at, subject in enumerate(data.block_of)}

    def find(name: str) -> int | None:
        digits = name.removesuffix(".0")
        subject = int(digits) if digits.isdecimal() and len(digits) < 20 else None
        return subject if subject in position else None

    return Records(
        root=root,
        reader="meds",
        find=find,
        load=lambda name: data.record(int(name)),
        order=lambda name: position[int(name)],
        key="subject_id",
        cut=True,
        n=len(position),
    )


def _files(root: Path) -> Records:
    suffixes = {".txt", *(f".{kind}" for kind in RECORD_FILES)}
    files = [path for path in sorted(root.iterdir()) if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    if not files:
        raise MissingError(
            f"{root} has no records: expected data/ with Parquet files (MEDS), or files ending in {', '.join(sorted(suffixes))}"
        )
    names = _names(files)

    def load(name: str | int) -> Record:
        path = root / str(name)
        kind = path.suffix.lower().lstrip(".")
        if kind in RECORD_FILES:
            return RECORD_FILES.get(kind)(path, str(name), "raw")
        return text_record(str(name), read_text(path, "the record"))

    return Records(root, "jsonl", names.get, load, lambda _: 0, "record_file", False, len(files))


def _names(files: Iterable[Path]) -> Mapping[str, str]:
    """What a table may call each file: its name, the name without its ending, and MedAlign's ``EHR_123.xml`` by its number."""
    names: dict[str, set[str]] = {}
    for path in files:
        for name in (path.name, path.stem, path.stem.removeprefix("EHR_")):
            names.setdefault(name, set()).add(path.name)
    return {name: next(iter(found)) for name, found in names.items() if len(found) == 1}
