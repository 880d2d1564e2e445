"""Writing EHR-Bench's folder from MIMIC-IV: serialised rows, index files, and a manifest of what decided them."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ehrbench.errors import UsageError, unknown_name
from ehrbench.hashing import hash_file
from ehrbench.jsonl import encode, write_atomically
from ehrbench.mimic.ehr_bench.choose import PER_TASK, Choice
from ehrbench.mimic.ehr_bench.index import MAX_PATIENT_EVENTS, kept, patient_samples
from ehrbench.mimic.ehr_bench.mapping_files import write_mapping
from ehrbench.mimic.ehr_bench.maps import Maps
from ehrbench.mimic.ehr_bench.merge import Patient, load_patients, portions
from ehrbench.mimic.ehr_bench.patient_file import FOLDER, write_patient
from ehrbench.mimic.ehr_bench.profile import PROFILES, BuildProfile
from ehrbench.mimic.ehr_bench.rows import TASKS, hours_row, index_row, serialised_row
from ehrbench.mimic.ehr_bench.sample import HOURS, INDEX_COLUMNS, Sample
from ehrbench.mimic.ehr_bench.stage import stage_tables
from ehrbench.mimic.known import NOTICE, is_open_demo
from ehrbench.mimic.portions import replace_files
from ehrbench.mimic.tables import Mimic

FORMAT = "ehrbench ehr_bench"
FORMAT_VERSION = 1
PORTION = 500
"""Patients that are held at a time."""
LAYOUTS = ("jsonl", "parquet")
"""The two releases' forms: serialised rows, or patients' files with index tables and names of codes."""
_FILE = "ehr_bench_{}"
_RELEASE = {"jsonl": tuple(f"{_FILE.format(kind)}{end}" for kind in TASKS for end in (".jsonl", ".csv"))}
_RELEASE["parquet"] = ("ehr_bench", "patients_ehr", "index_mapping")
_LOOKED_UP = ("d_labitems", "d_items", "d_icd_diagnoses", "d_icd_procedures", "radiology_detail")


@dataclass(frozen=True)
class Options:
    """What decides the files, beside the release and the maps."""

    profile: str = "clean"
    seed: int = 0
    per_task: int = PER_TASK
    layout: str = "jsonl"
    """Of ``LAYOUTS``."""


@dataclass
class Summary:
    """What was made, in numbers."""

    patients: int = 0
    events: int = 0
    long_records: int = 0
    """Patients left out for more than 1,200 events."""
    raw: dict[str, int] = field(default_factory=dict)
    """Samples by task, before the filters; of patients that were not left out."""
    kept: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    positives: dict[str, int] = field(default_factory=dict)
    """Written rows whose answer is yes, by risk task."""
    skipped: list[str] = field(default_factory=list)
    """A sentence for each group of tasks that could not be made."""
    open_data: bool = False


def prepare(
    mimic: Mimic, out: Path, options: Options, maps: Maps | None = None, progress: Callable[[str], None] = lambda _: None
) -> Summary:
    """Write ``ehr_bench_decision_making`` and ``ehr_bench_risk_prediction``, each as ``.jsonl`` and as an index ``.csv``.

    In the layout ``parquet`` the indexes lie in ``ehr_bench/``, the events in ``patients_ehr/{subject_id}.parquet`` (of patients
    whom a row is about) and the names of their codes in ``index_mapping/``.

    The same release, maps and options give the same bytes.

    Raises:
        MissingError: ``patients``, a dictionary of a table that is there, or a map that was named is missing.
        UsageError: a table is malformed, the profile or the layout unknown, or ``out`` holds a release of the authors'.
    """
    if options.profile not in PROFILES:
        raise UsageError(unknown_name("profile of ehr_bench", options.profile, PROFILES))
    if options.layout not in LAYOUTS:
        raise UsageError(unknown_name("layout of ehr_bench", options.layout, LAYOUTS))
    _spare_releases(out)
    profile, maps = PROFILES[options.profile], maps or Maps()
    used = maps.digests()
    mimic.path("patients")
    summary = Summary(skipped=_skipped(mimic, maps, profile))
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".preparing-", dir=out) as folder:
        work, new = Path(folder), Path(folder) / "new"
        new.mkdir()
        as_parquet = options.layout == "parquet"
        stage = stage_tables(mimic, work, profile, maps, progress, raw=as_parquet)
        chosen = _choose(stage, profile, options, summary, progress)
        if as_parquet:
            (new / FOLDER).mkdir()
            for patient, _ in _patients_of(stage, chosen, profile, progress):
                write_patient(patient, new / FOLDER / f"{patient.subject}.parquet")
            write_mapping(mimic, maps, {s.subject for samples in chosen.values() for s in samples}, new)
        else:
            _write_rows(_patients_of(stage, chosen, profile, progress), chosen, profile, new, work)
        _write_indexes(new / "ehr_bench" if as_parquet else new, chosen, hours=as_parquet and profile.clean)
        tables = sorted([*stage, *(name for name in _LOOKED_UP if mimic.has(name))])
        summary.open_data = is_open_demo(mimic, tables) and not used
        _write_manifest(mimic, new, options, tables, used, summary)
        replace_files(new, out, stale=[name for names in _RELEASE.values() for name in names])
    return summary


def _spare_releases(out: Path) -> None:
    """Refuse a folder with files of a release that no preparation of ours has put there."""
    there = [name for names in _RELEASE.values() for name in names if (out / name).exists()]
    if there and not (out / ".gitignore").is_file():
        raise UsageError(
            f"{out} holds {', '.join(there)}, which `ehrbench data prepare` did not write and would replace; name another folder "
            "with --out"
        )


def _skipped(mimic: Mimic, maps: Maps, profile: BuildProfile) -> list[str]:
    said = maps.lacking()
    for table, tasks in (
        ("chartevents", "chartevents"),
        ("radiology_detail", "radiology"),
        ("discharge", "Readmission_30day and Readmission_60day"),
        ("edstays", "task of the emergency department"),
    ):
        if not mimic.has(table) and not (table == "discharge" and profile.clean):
            said.append(f"no {tasks}: the release has no table '{table}'")
    return said


def _choose(
    stage: Mapping[str, Path], profile: BuildProfile, options: Options, summary: Summary, progress: Callable[[str], None]
) -> dict[str, list[Sample]]:
    choice = Choice(options.seed, options.per_task)
    raw: Counter[str] = Counter()
    for first, last in portions(stage, PORTION):
        progress(f"finding samples of patients {first} to {last}")
        for patient in load_patients(stage, first, last, profile):
            summary.patients += 1
            summary.events += len(patient.events)
            if len(patient.events) > MAX_PATIENT_EVENTS:
                summary.long_records += 1
                continue
            for sample in patient_samples(patient, profile):
                raw[sample.task] += 1
                if kept(sample):
                    choice.add(sample)
    chosen = choice.chosen()
    order = [task for tasks in TASKS.values() for task in tasks if raw[task]]
    left = Counter[str]()
    for (task, _), n in choice.counts.items():
        left[task] += n
    summary.raw = {task: raw[task] for task in order}
    summary.kept = {task: left[task] for task in order}
    summary.written = {task: len(chosen.get(task, ())) for task in order}
    risk = set(TASKS["risk_prediction"])
    summary.positives = {task: sum(s.target == "yes" for s in chosen.get(task, ())) for task in order if task in risk}
    return chosen


def _patients_of(
    stage: Mapping[str, Path], chosen: Mapping[str, list[Sample]], profile: BuildProfile, progress: Callable[[str], None]
) -> Iterator[tuple[Patient, list[tuple[str, int]]]]:
    """The patients whom rows are about, each with the tasks of the rows and their numbers within the task."""
    wanted: dict[int, list[tuple[str, int]]] = {}
    for task, samples in chosen.items():
        for nth, sample in enumerate(samples):
            wanted.setdefault(sample.subject, []).append((task, nth))
    for first, last in portions(stage, PORTION):
        progress(f"writing rows of patients {first} to {last}")
        for patient in load_patients(stage, first, last, profile):
            if patient.subject in wanted:
                yield patient, wanted[patient.subject]


def _write_rows(
    patients: Iterable[tuple[Patient, list[tuple[str, int]]]],
    chosen: Mapping[str, list[Sample]],
    profile: BuildProfile,
    new: Path,
    work: Path,
) -> None:
    """Serialise patient by patient into one file, then copy the lines in the order of tasks, numbered."""
    places: dict[tuple[str, int], tuple[int, int]] = {}
    with (work / "rows").open("w+b") as spool:
        for patient, rows in patients:
            for task, nth in rows:
                line = encode(serialised_row(patient, chosen[task][nth], profile))
                places[task, nth] = spool.tell(), len(line)
                spool.write(line)
        for kind, tasks in TASKS.items():
            with (new / f"{_FILE.format(kind)}.jsonl").open("wb") as file:
                number = 0
                for task in tasks:
                    for nth in range(len(chosen.get(task, ()))):
                        at, length = places[task, nth]
                        spool.seek(at)
                        file.write(f'{{"idx":{number},'.encode() + spool.read(length)[1:])
                        number += 1


def _write_indexes(folder: Path, chosen: Mapping[str, list[Sample]], hours: bool) -> None:
    """Write the index tables; with ``hours`` also when each window opens and closes, which decides what a clean context shows."""
    folder.mkdir(exist_ok=True)
    for kind, tasks in TASKS.items():
        with (folder / f"{_FILE.format(kind)}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*INDEX_COLUMNS, *(HOURS if hours else ())], lineterminator="\n")
            writer.writeheader()
            for sample in (sample for task in tasks for sample in chosen.get(task, ())):
                row = index_row(sample) | (hours_row(sample) if hours else {})
                for name in ("admissions_id", "last_discharge_id"):
                    row[name] = "" if row[name] is None else float(row[name])
                writer.writerow(row)


def _write_manifest(
    mimic: Mimic, new: Path, options: Options, tables: list[str], maps: Mapping[str, str], summary: Summary
) -> None:
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "open_data": summary.open_data,
        "notice": NOTICE if summary.open_data else "Derived from credentialed data: the data use agreement of MIMIC-IV applies.",
        "options": vars(options),
        "tables": {name: {"file": mimic.path(name).name, "sha256": mimic.digest(name)} for name in tables},
        "maps": dict(maps),
        "files": {path.relative_to(new).as_posix(): hash_file(path) for path in sorted(new.rglob("*")) if path.is_file()},
        "counts": {name: value for name, value in vars(summary).items() if name != "open_data"},
    }
    write_atomically(new / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
    (new / ".gitignore").write_text("*\n", encoding="utf-8")
