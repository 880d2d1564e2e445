"""Writing EHR-Bench's folder from MIMIC-IV: serialised rows, index files, and a manifest of what decided them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ehrbench.errors import UsageError, unknown_name
from ehrbench.hashing import hash_file
from ehrbench.jsonl import write_atomically
from ehrbench.mimic.known import NOTICE, is_open_demo
from ehrbench.mimic.portions import replace_files, workspace
from ehrbench.mimic.split import order_by_hash, read_split
from ehrbench.mimic.stretches import Staged
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.choose import PER_TASK, Choice
from ehrbench.suites.ehr_bench.build.index import MAX_PATIENT_EVENTS, kept, patient_samples
from ehrbench.suites.ehr_bench.build.mapping_files import write_mapping
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.merge import events_of, load_patients
from ehrbench.suites.ehr_bench.build.patient_file import FOLDER, write_patient
from ehrbench.suites.ehr_bench.build.profile import PROFILES, BuildProfile
from ehrbench.suites.ehr_bench.build.rows import TASKS
from ehrbench.suites.ehr_bench.build.stage import stage_tables
from ehrbench.suites.ehr_bench.build.write import OutputFile, patients_of, write_indexes, write_rows

FORMAT = "ehrbench ehr_bench"
FORMAT_VERSION = 1
LAYOUTS = ("jsonl", "parquet")
"""The two releases' forms: serialised rows, or patients' files with index tables and names of codes."""
BENCH, TRAINING = "ehr_bench", "ehr_ins"
"""The release's names of the benchmark's rows and of those to train on."""
_STEMS = (*(f"{BENCH}_{kind}" for kind in TASKS), TRAINING)
_RELEASE = (*(f"{stem}{end}" for stem in _STEMS for end in (".jsonl", ".csv")), BENCH, TRAINING, "patients_ehr", "index_mapping")
SPLIT_FILE = "split.csv"
_LOOKED_UP = ("d_labitems", "d_items", "d_icd_diagnoses", "d_icd_procedures", "radiology_detail")


@dataclass(frozen=True)
class Options:
    """What decides the files, beside the release and the maps."""

    profile: str = "clean"
    seed: int = 0
    per_task: int = PER_TASK
    layout: str = "jsonl"
    """Of ``LAYOUTS``."""
    test_share: float | None = None
    """Of the patients whom the benchmark asks about, others being left to train on; None: it asks about all."""
    split_file: Path | None = None
    """CSV with ``split`` (``test``, ``train``) and ``subject_id`` or ``hadm_id``, in place of a share."""
    train_rows: int = PER_TASK
    """Most rows of a task in the training part."""

    @property
    def splits(self) -> bool:
        """Whether patients are kept to train on."""
        return self.test_share is not None or self.split_file is not None


@dataclass
class Summary:
    """What was made, in numbers."""

    patients: int = 0
    events: int = 0
    long_records: int = 0
    """Patients left out for more than 1,200 events."""
    repeated: dict[str, int] = field(default_factory=dict)
    """Rows left out because the table has them twice, by table; in the clean profile."""
    raw: dict[str, int] = field(default_factory=dict)
    """Samples by task, before the filters; of patients that were not left out."""
    kept: dict[str, int] = field(default_factory=dict)
    """Of them, those that pass the filters; as ``raw``, of test patients where there is a split."""
    written: dict[str, int] = field(default_factory=dict)
    positives: dict[str, int] = field(default_factory=dict)
    """Written rows whose answer is yes, by risk task."""
    splits: dict[str, int] = field(default_factory=dict)
    """Patients by part, where there is a split."""
    training: dict[str, int] = field(default_factory=dict)
    """Rows to train on that were written, by task."""
    skipped: list[str] = field(default_factory=list)
    """A sentence for each group of tasks that could not be made."""
    open_data: bool = False


def prepare(
    mimic: Mimic, out: Path, options: Options, maps: Maps | None = None, progress: Callable[[str], None] = lambda _: None
) -> Summary:
    """Write ``ehr_bench_decision_making`` and ``ehr_bench_risk_prediction``, each as ``.jsonl`` and as an index ``.csv``.

    In the layout ``parquet`` the indexes lie in ``ehr_bench/``, the events in ``patients_ehr/{subject_id}.parquet`` (of patients
    whom a row is about) and the names of their codes in ``index_mapping/``. Where patients are split, rows about those to train
    on are in ``ehr_ins`` and every row tells its part; ``split.csv`` has all patients.

    The same release, maps and options give the same bytes.

    Raises:
        MissingError: ``patients``, a dictionary of a table that is there, or a map that was named is missing.
        UsageError: a table or the split is malformed, the profile or the layout unknown, or ``out`` holds a release of the
            authors'.
    """
    if options.profile not in PROFILES:
        raise UsageError(unknown_name("profile of ehr_bench", options.profile, PROFILES))
    if options.layout not in LAYOUTS:
        raise UsageError(unknown_name("layout of ehr_bench", options.layout, LAYOUTS))
    if options.test_share is not None and (options.split_file is not None or not 0 < options.test_share < 1):
        raise UsageError("EHR-Bench: patients are split by a share for the test above 0 and below 1, or by a file, not by both")
    _spare_releases(out)
    profile, maps = PROFILES[options.profile], maps or Maps()
    used = maps.digests()
    mimic.path("patients")
    summary = Summary(skipped=_skipped(mimic, maps, profile))
    with workspace(out) as work:
        new = work / "new"
        new.mkdir()
        as_parquet = options.layout == "parquet"
        stage = stage_tables(mimic, work, profile, maps, progress, raw=as_parquet)
        split = _split(stage, options) if options.splits else None
        files = _choose(stage, profile, options, split, summary, progress)
        if as_parquet:
            (new / FOLDER).mkdir()
            for patient, _ in patients_of(stage, files, profile, progress, raw=True):
                write_patient(patient, new / FOLDER / f"{patient.subject}.parquet")
            subjects = {sample.subject for file in files for samples in file.chosen.values() for sample in samples}
            write_mapping(mimic, maps, subjects, new, clean=profile.clean)
        else:
            write_rows(patients_of(stage, files, profile, progress), files, profile, new, work)
        write_indexes(new, files, as_parquet, hours=as_parquet and profile.clean)
        if split is not None:
            _write_split(new / SPLIT_FILE, split, summary)
        tables = sorted([*stage, *(name for name in _LOOKED_UP if mimic.has(name))])
        summary.open_data = is_open_demo(mimic, tables) and not used
        _write_manifest(mimic, new, options, tables, used, summary)
        replace_files(new, out, stale=(*_RELEASE, SPLIT_FILE))
    return summary


def _spare_releases(out: Path) -> None:
    """Refuse a folder with files of a release that no preparation of ours has put there."""
    there = [name for name in _RELEASE if (out / name).exists()]
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


def _split(stage: Mapping[str, Staged], options: Options) -> dict[int, str]:
    """Patient to ``test`` or ``train``, chosen by a hash of seed and patient; or as the user's file has it."""
    subjects = stage["patients"].scan().select("subject").unique().sort("subject").collect()["subject"].to_list()
    if options.split_file is not None:
        admissions: dict[int, list[int]] = {subject: [] for subject in subjects}
        if "admissions" in stage:
            rows = stage["admissions"].scan().select("subject", "hadm").collect()
            for subject, hadm in rows.iter_rows():
                admissions.setdefault(subject, []).append(hadm)
        return read_split(options.split_file, admissions)
    assert options.test_share is not None
    n_test = min(math.ceil(options.test_share * len(subjects)), len(subjects))
    ordered = order_by_hash(options.seed, "ehr_bench split", subjects)
    return {subject: "test" if i < n_test else "train" for i, subject in enumerate(ordered)}


def _choose(
    stage: Mapping[str, Staged],
    profile: BuildProfile,
    options: Options,
    split: Mapping[int, str] | None,
    summary: Summary,
    progress: Callable[[str], None],
) -> list[OutputFile]:
    """The rows of each file to be written."""
    choices = {"test": Choice(options.seed, options.per_task), "train": Choice(options.seed, options.train_rows)}
    raw: Counter[str] = Counter()
    portions = len(stage["patients"].firsts)
    for portion in range(portions):
        progress(f"finding samples of portion {portion + 1} of {portions}")
        events = events_of(stage, portion, profile)
        lengths = events.group_by("subject").len()
        short = lengths.filter(pl.col("len") <= MAX_PATIENT_EVENTS)["subject"].to_list()
        summary.patients += lengths.height
        summary.events += int(lengths["len"].sum())
        summary.long_records += lengths.height - len(short)
        asked = short if split is None else [subject for subject in short if split.get(subject) in choices]
        for patient in load_patients(stage, portion, events.filter(pl.col("subject").is_in(asked)), shown=False):
            part = "test" if split is None else split[patient.subject]
            for sample in patient_samples(patient, profile):
                raw[sample.task] += part == "test"
                if kept(sample):
                    choices[part].add(sample)
    summary.repeated = {table: staged.repeated for table, staged in sorted(stage.items()) if staged.repeated}
    chosen, training = choices["test"].chosen(), choices["train"].chosen()
    order = [task for tasks in TASKS.values() for task in tasks if raw[task] or task in training]
    left = Counter[str]()
    for (task, _), n in choices["test"].counts.items():
        left[task] += n
    summary.raw = {task: raw[task] for task in order}
    summary.kept = {task: left[task] for task in order}
    summary.written = {task: len(chosen.get(task, ())) for task in order}
    risk = set(TASKS["risk_prediction"])
    summary.positives = {task: sum(s.target == "yes" for s in chosen.get(task, ())) for task in order if task in risk}
    told = None if split is None else "test"
    files = [OutputFile(BENCH, f"{BENCH}_{kind}", tasks, chosen, told) for kind, tasks in TASKS.items()]
    if split is not None:
        summary.training = {task: len(training.get(task, ())) for task in order}
        files.append(OutputFile(TRAINING, TRAINING, tuple(task for tasks in TASKS.values() for task in tasks), training, "train"))
    return files


def _write_split(path: Path, split: Mapping[int, str], summary: Summary) -> None:
    lines = [f"{part},{subject}" for subject, part in sorted(split.items())]
    path.write_text("\n".join(["split,subject_id", *lines]) + "\n", encoding="utf-8")
    summary.splits = dict(sorted(Counter(split.values()).items()))


def _write_manifest(
    mimic: Mimic, new: Path, options: Options, tables: list[str], maps: Mapping[str, str], summary: Summary
) -> None:
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "open_data": summary.open_data,
        "notice": NOTICE if summary.open_data else "Derived from credentialed data: the data use agreement of MIMIC-IV applies.",
        "options": {**vars(options), "split_file": options.split_file.name if options.split_file else None},
        "tables": {name: {"file": mimic.path(name).name, "sha256": mimic.digest(name)} for name in tables},
        "maps": dict(maps),
        "files": {path.relative_to(new).as_posix(): hash_file(path) for path in sorted(new.rglob("*")) if path.is_file()},
        "counts": {name: value for name, value in vars(summary).items() if name != "open_data"},
    }
    write_atomically(new / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
