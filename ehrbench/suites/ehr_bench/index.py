"""EHR-Bench's index tables: a window of a patient's events and its gold in each row (protocol page, section 2, release a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.readers.table import table_rows
from ehrbench.suites.ehr_bench.items import gold_labels

if TYPE_CHECKING:
    from ehrbench.suites.ehr_bench.build.sample import Sample

REQUIRED = ("subject_id", "task", "event", "period_begin", "period_end", "admissions_id", "last_discharge_id", "target")
_MISSING = frozenset({"", "nan", "none"})


class Index(NamedTuple):
    """Where a release lies."""

    root: Path
    """Holds ``patients_ehr/`` and ``index_mapping/``."""
    path: Path
    """The index table."""


def find_index(root: Path, kind: str) -> Index | None:
    """The index table of a type, in a folder of the release's layout or in the folder ``ehr_bench`` of one."""
    from ehrbench.suites.ehr_bench.build.patient_file import FOLDER

    name = f"ehr_bench_{kind}.csv"
    for base, path in (
        (root, root / "ehr_bench" / name),
        (root, root / name),
        (root.parent, root / name),
    ):
        if path.is_file() and (base / FOLDER).is_dir():
            return Index(base, path)
    return None


@dataclass(frozen=True)
class Entry:
    """One row."""

    place: str
    """File and line, for messages."""
    item: str
    sample: Sample
    labels: tuple[str, ...]
    plain: bool
    """Whether the gold is a text and not a list."""


def read_entries(path: Path, task: str) -> Iterator[Entry]:
    """The rows of a task.

    Raises:
        UsageError: a column is missing, or a row is malformed (file and line).
    """
    columns, rows, _ = table_rows(path, "the index table")
    if missing := [name for name in REQUIRED if name not in columns]:
        raise UsageError(f"{path}: no column {', '.join(missing)}; an index table has {', '.join(REQUIRED)}")
    for nth, values in enumerate(rows):
        row = dict(zip(columns, values.values, strict=True))
        if row["task"] == task:
            yield _entry(f"{path}:{values.line}", f"{task}-{nth}", row)


def _entry(place: str, item: str, row: Mapping[str, str]) -> Entry:
    from ehrbench.suites.ehr_bench.build.sample import HOURS, Sample

    try:
        gold = parse(row["target"])
    except ValueError:
        raise UsageError(f"{place}: 'target' is not JSON") from None
    labels, plain = gold_labels(place, gold)
    subject, begin, end = (_whole(place, row, name) for name in ("subject_id", "period_begin", "period_end"))
    if subject is None or begin is None or end is None:
        raise UsageError(f"{place}: subject_id, period_begin and period_end must be whole numbers")
    hadm = str(row.get("hadm_id", "")).strip().removesuffix(".0")
    sample = Sample(
        subject,
        int(hadm) if hadm.isdecimal() else None,
        row["task"],
        row["event"],
        begin,
        end,
        gold if isinstance(gold, str) else labels,
        _whole(place, row, "admissions_id"),
        _whole(place, row, "last_discharge_id"),
        *(_time(place, row, name) for name in HOURS),
    )
    return Entry(place, item, sample, labels, plain)


def _whole(place: str, row: Mapping[str, str], name: str) -> int | None:
    text = row[name].strip()
    if text.lower() in _MISSING:
        return None
    digits = text.removesuffix(".0")
    if not digits.isdecimal():
        raise UsageError(f"{place}: '{name}' is not a whole number")
    return int(digits)


def _time(place: str, row: Mapping[str, str], name: str) -> int | None:
    text = row.get(name, "").strip()
    if text.lower() in _MISSING:
        return None
    try:
        return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        raise UsageError(f"{place}: '{name}' is not a time of the form YYYY-MM-DD HH:MM:SS") from None


def with_files(index: Index, entries: Sequence[Entry], allow: bool) -> tuple[list[Entry], list[str]]:
    """The rows whose patient has a file, and what is said of the others.

    Raises:
        MissingError: a file is not there, and ``allow`` is not set or none is there.
    """
    from ehrbench.suites.ehr_bench.build.patient_file import FOLDER

    folder = index.root / FOLDER
    absent = {n for n in {entry.sample.subject for entry in entries} if not (folder / f"{n}.parquet").is_file()}
    lost = [entry for entry in entries if entry.sample.subject in absent]
    if not lost:
        return list(entries), []
    said = (
        f"{len(lost)} of {len(entries)} rows of {index.path.name} are about {len(absent)} patients whose file is not in {folder} "
        f"(first: {lost[0].place.rpartition(':')[2]}: {lost[0].sample.subject}.parquet)"
    )
    if not allow or len(lost) == len(entries):
        raise MissingError(
            f"{lost[0].place}: {said}; unpack the release's patients_ehr.tar.gz there, or set allow_missing: true in "
            "data.options to ask about the others as a partial result"
        )
    return [entry for entry in entries if entry.sample.subject not in absent], [f"{said}; they are left out"]
