"""The records that questions are asked about: MEDS, OMOP or FHIR, or a folder with a file per patient."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError
from ehrbench.readers.events import lines_of
from ehrbench.readers.fhir.bulk import find_files
from ehrbench.readers.fhir.events import known_patients
from ehrbench.readers.fhir.events import read_events as read_fhir
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.omop.events import read_events
from ehrbench.readers.omop.reader import known_persons
from ehrbench.readers.omop.tables import find_table
from ehrbench.records import RECORD_FILES, Record, is_record_file, read_record_file


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
    opened: Callable[[Collection[str | int]], Callable[[str | int], Record]]
    """Opens some records together; the function that it gives loads each."""
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
        wanted = sorted(set(names), key=self.order)
        load = self.opened(wanted)
        for name in wanted:
            times = [entry.time for entry in load(name).entries if entry.time is not None]
            spans[name] = Span(min(times), max(times)) if times else None
        return spans

    def pointer(self, name: str | int, date: datetime | None) -> dict[str, Any]:
        """The keys of an item that name its record and, where the reader heeds it, the date at which the record ends."""
        return {self.key: name, **({"prediction_time": date.isoformat()} if self.cut and date is not None else {})}


def find_records(root: Path) -> Records:
    """Look at a folder of records.

    Args:
        root: a MEDS data set (``data/**/*.parquet``), an OMOP database (``person.csv`` …), an FHIR bulk export (``*.ndjson``),
            or a folder with a text or XML file per record.

    Raises:
        MissingError: the folder is not there or has no records.
        UsageError: a data set that cannot be read.
    """
    if not root.is_dir():
        raise MissingError(
            f"the folder of records {root} is not there; expected a MEDS data set, an OMOP database, an FHIR bulk export, or a "
            "folder of record files"
        )
    if any((root / "data").rglob("*.parquet")):
        return _meds(root)
    if find_table(root, "person") is not None:
        return _omop(root)
    return _fhir(root) if find_files(root) else _files(root)


def _meds(root: Path) -> Records:
    data = open_meds(root)
    position = {subject: at for at, subject in enumerate(data.block_of)}

    return Records(
        root=root,
        reader="meds",
        find=lambda name: _numbered(name, position),
        opened=lambda _: lambda name: data.record(int(name)),
        order=lambda name: position[int(name)],
        key="subject_id",
        cut=True,
        n=len(position),
    )


def _numbered(name: str, known: Container[int]) -> int | None:
    """A subject's number, which a spreadsheet may have given a ``.0``."""
    digits = name.removesuffix(".0")
    subject = int(digits) if digits.isdecimal() and len(digits) < 20 else None
    return subject if subject in known else None


def _omop(root: Path) -> Records:
    known = known_persons(root)

    def opened(persons: Collection[str | int]) -> Callable[[str | int], Record]:
        lines = lines_of(read_events(root, [int(person) for person in persons]))
        return lambda name: lines(int(name)).record(str(name), None)

    return Records(
        root=root,
        reader="omop",
        find=lambda name: _numbered(name, known),
        opened=opened,
        order=int,
        key="person_id",
        cut=True,
        n=len(known),
    )


def _fhir(root: Path) -> Records:
    known = known_patients(root)

    def opened(patients: Collection[str | int]) -> Callable[[str | int], Record]:
        lines = lines_of(read_fhir(root, [str(patient) for patient in patients]))
        return lambda name: lines(known[str(name)]).record(str(name), None)

    return Records(
        root=root,
        reader="fhir",
        find=lambda name: name if name in known else None,
        opened=opened,
        order=lambda name: known[str(name)],
        key="patient",
        cut=True,
        n=len(known),
    )


def _files(root: Path) -> Records:
    files = sorted(filter(is_record_file, root.iterdir()))
    if not files:
        raise MissingError(
            f"{root} has no records: expected data/ with Parquet files (MEDS), a table person (OMOP), .ndjson files (FHIR), or "
            "files ending in " + ", ".join(sorted((".txt", *(f".{kind}" for kind in RECORD_FILES))))
        )
    names = _names(files)

    def load(name: str | int) -> Record:
        return read_record_file(root / str(name), str(name))

    return Records(root, "jsonl", names.get, lambda _: load, lambda _: 0, "record_file", False, len(files))


def _names(files: Iterable[Path]) -> Mapping[str, str]:
    """What a table may call each file: its name, the name without its ending, and MedAlign's ``EHR_123.xml`` by its number."""
    names: dict[str, set[str]] = {}
    for path in files:
        for name in (path.name, path.stem, path.stem.removeprefix("EHR_")):
            names.setdefault(name, set()).add(path.name)
    return {name: next(iter(found)) for name, found in names.items() if len(found) == 1}
