"""Writing chosen samples as the rows of the releases' files."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ehrbench.jsonl import encode
from ehrbench.mimic.stretches import Staged
from ehrbench.suites.ehr_bench.build.merge import Patient, events_of, load_patients
from ehrbench.suites.ehr_bench.build.profile import BuildProfile
from ehrbench.suites.ehr_bench.build.rows import hours_row, index_row, serialised_row
from ehrbench.suites.ehr_bench.build.sample import HOURS, INDEX_COLUMNS, Sample

RAW_AT_ONCE = 100
"""Patients who are held at a time with every column of the release."""


@dataclass(frozen=True)
class OutputFile:
    """One file of rows."""

    folder: str
    """In the layout of patients' files."""
    stem: str
    tasks: Sequence[str]
    """In the order of its rows."""
    chosen: Mapping[str, Sequence[Sample]]
    """By task."""
    split: str | None
    """What its rows are for, ``test`` or ``train``; None where patients are not split."""

    @property
    def samples(self) -> Iterator[Sample]:
        """In the order of the rows."""
        return (sample for task in self.tasks for sample in self.chosen.get(task, ()))


class Place(NamedTuple):
    """Which row of which file."""

    file: int
    row: int


def patients_of(
    stage: Mapping[str, Staged],
    files: Sequence[OutputFile],
    profile: BuildProfile,
    progress: Callable[[str], None],
    *,
    raw: bool = False,
) -> Iterator[tuple[Patient, list[tuple[Place, Sample]]]]:
    """The patients whom rows are about, each with its rows; ``raw``: with the raw values that were staged."""
    wanted: dict[int, list[tuple[Place, Sample]]] = {}
    for number, file in enumerate(files):
        for row, sample in enumerate(file.samples):
            wanted.setdefault(sample.subject, []).append((Place(number, row), sample))
    firsts = stage["patients"].firsts
    by_portion = groupby(sorted(wanted), key=lambda subject: bisect_right(firsts, subject) - 1)
    for portion, subjects in by_portion:
        progress(f"writing rows of portion {portion + 1} of {len(firsts)}")
        left = list(subjects)
        step = RAW_AT_ONCE if raw else len(left)
        for few in (left[i : i + step] for i in range(0, len(left), step)):
            for patient in load_patients(stage, portion, events_of(stage, portion, profile, few), raw=raw):
                yield patient, wanted[patient.subject]


def write_rows(
    patients: Iterable[tuple[Patient, list[tuple[Place, Sample]]]],
    files: Sequence[OutputFile],
    profile: BuildProfile,
    new: Path,
    work: Path,
) -> None:
    """Serialise patient by patient into one file, then copy the lines in the order of the rows, numbered."""
    places: dict[Place, tuple[int, int]] = {}
    end = 0
    with (work / "rows").open("w+b") as spool:
        for patient, rows in patients:
            for place, sample in rows:
                line = encode(serialised_row(patient, sample, profile, files[place.file].split))
                places[place] = end, len(line)
                end += spool.write(line)
        for number, output in enumerate(files):
            with (new / f"{output.stem}.jsonl").open("wb") as file:
                for row, _ in enumerate(output.samples):
                    at, length = places[Place(number, row)]
                    spool.seek(at)
                    file.write(f'{{"idx":{row},'.encode() + spool.read(length)[1:])


def write_indexes(new: Path, files: Iterable[OutputFile], folders: bool, hours: bool) -> None:
    """Write the index tables.

    Args:
        new: where they belong.
        files: their rows.
        folders: each in its release's folder.
        hours: also when each window opens and closes, which decides what a clean context shows.
    """
    for output in files:
        path = new / (output.folder if folders else "") / f"{output.stem}.csv"
        path.parent.mkdir(exist_ok=True)
        columns = [*INDEX_COLUMNS, *(HOURS if hours else ()), *(("split",) if output.split else ())]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
            for sample in output.samples:
                row = {**index_row(sample), **hours_row(sample), "split": output.split}
                for name in ("admissions_id", "last_discharge_id"):
                    row[name] = "" if row[name] is None else float(row[name])
                writer.writerow(row)
