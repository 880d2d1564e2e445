"""Writing the prediction benchmark's files: labels by task, and the event lists that each task may see."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from ehrbench.errors import MissingError
from ehrbench.jsonl import encode, write_atomically
from ehrbench.mimic.ccs import Ccs, load_ccs
from ehrbench.mimic.cohort import Cohort, build_cohort
from ehrbench.mimic.events import EVENT_TABLES, LISTED_TYPES, STATIC_TYPES, Profile
from ehrbench.mimic.known import NOTICE, is_open_demo
from ehrbench.mimic.portions import PORTION, lists_of, replace_files, with_split, worded_portions, workspace, write_lists
from ehrbench.mimic.render import merge_events
from ehrbench.mimic.staging import repeated_rows, stage_events
from ehrbench.mimic.stretches import Staged
from ehrbench.mimic.tables import Mimic
from ehrbench.mimic.windows import BILLED, Window, observe
from ehrbench.suites.mimic_instr.prediction.cohort import (
    LONG_STAY_HOURS,
    OBSERVED_HOURS,
    PHENOTYPES,
    PREDICTION_TASKS,
    PredictionTask,
    outcomes,
    phenotypes,
)

FORMAT = "ehrbench mimic_prediction"
FORMAT_VERSION = 1
FOLDERS = {"mortality": "records_48h", "los": "records_48h", "readmission": "records_stay", "diagnosis": "records_stay"}
"""Where the lists of each task are."""


@dataclass(frozen=True)
class PredictionOptions:
    """What decides the files, beside the release."""

    profile: Profile = "paper"
    seed: int = 0
    window_by: Literal["available", "timestamp"] = "available"
    durations: Literal["clip", "keep"] = "clip"
    long_stay_hours: float = LONG_STAY_HOURS
    ccs: Path | None = None
    """AHRQ's files; default: those of the installed packages."""
    split_file: Path | None = None
    keep_repeated: bool = False
    """Keep rows that a table has twice, as the authors' code does."""


@dataclass
class PredictionSummary:
    """What was made, in numbers."""

    steps: dict[str, int]
    long_stay_hours: float
    admissions: dict[str, int] = field(default_factory=dict)
    """By task."""
    positives: dict[str, int] = field(default_factory=dict)
    """By binary task, and by phenotype as ``diagnosis.2``."""
    unmapped_diagnoses: int = 0
    repeated: dict[str, int] = field(default_factory=dict)
    """Rows left out because the table has them twice, by event type."""
    skipped: str | None = None
    """Why there are no phenotypes, and what to do."""
    open_data: bool = False


def prepare_prediction(
    mimic: Mimic,
    out: Path,
    options: PredictionOptions,
    progress: Callable[[str], None] = lambda _: None,
    ccs: Ccs | None = None,
) -> PredictionSummary:
    """Write the prediction benchmark's folder: ``<task>.jsonl``, ``records_48h/``, ``records_stay/``, ``cohort.csv``.

    Without AHRQ's CCS files the phenotypes are left out and the summary says so; ``options.ccs`` that lacks them is an error.
    ``ccs`` gives the categories themselves, for data with codes of its own.

    Raises:
        MissingError: a table, or a file of ``options.ccs``, is missing.
        UsageError: a table is malformed.
    """
    progress("choosing admissions")
    cohort = build_cohort(mimic)
    summary = PredictionSummary(cohort.steps, options.long_stay_hours)
    ccs = ccs or _ccs(options, summary)
    tasks = [task for task in PREDICTION_TASKS if task != "diagnosis" or ccs is not None]
    stays = with_split(cohort.admissions, options.seed, options.split_file)
    with workspace(out) as work:
        new = work / "new"
        new.mkdir()
        for task in tasks:
            rows = _labels(mimic, cohort, task, ccs, summary)
            summary.admissions[task] = rows.height
            _write_labels(rows, stays, task, new)
        types = [e for e in EVENT_TABLES if e in (*STATIC_TYPES, *LISTED_TYPES[options.profile]) and e != BILLED]
        stage = stage_events(mimic, cohort, work, types, progress, keep_repeated=options.keep_repeated)
        summary.repeated = repeated_rows(stage)
        for number, portion in enumerate(stays.iter_slices(PORTION)):
            progress(f"writing admissions {number * PORTION + 1} to {number * PORTION + portion.height} of {stays.height}")
            _write_windows(mimic, stage, portion, number, new, options)
        columns = ["subject_id", "hadm_id", "stay_id", "hadm_intime", "hadm_outtime", "hadm_los", "split"]
        stays.select(columns).write_csv(new / "cohort.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        _write_manifest(mimic, new, options, types, ccs, summary)
        replace_files(new, out, stale=[*set(FOLDERS.values()), *(f"{task}.jsonl" for task in PREDICTION_TASKS)])
    return summary


def _ccs(options: PredictionOptions, summary: PredictionSummary) -> Ccs | None:
    try:
        return load_ccs(options.ccs)
    except MissingError as missing:
        if options.ccs is not None:
            raise
        summary.skipped = f"no phenotypes: {missing}"
        return None


def _labels(mimic: Mimic, cohort: Cohort, task: PredictionTask, ccs: Ccs | None, summary: PredictionSummary) -> pl.DataFrame:
    if task == "diagnosis" and ccs is not None:
        rows, summary.unmapped_diagnoses = phenotypes(mimic, cohort, ccs)
        summary.positives |= {f"diagnosis.{number}": int(rows[str(number)].sum()) for number in PHENOTYPES}
        return rows.select("subject_id", "hadm_id", label=pl.struct(str(number) for number in PHENOTYPES))
    rows = outcomes(mimic, cohort, task, long_stay_hours=summary.long_stay_hours)
    summary.positives[task] = int(rows["label"].sum())
    return rows


def _write_labels(rows: pl.DataFrame, stays: pl.DataFrame, task: PredictionTask, new: Path) -> None:
    split = dict(stays.select("hadm_id", "split").iter_rows())
    lines = (
        encode(
            {
                "id": f"{task}-{row['hadm_id']}",
                "task": task,
                "split": split[row["hadm_id"]],
                "hadm_id": row["hadm_id"],
                "subject_id": row["subject_id"],
                "label": row["label"],
                "records": FOLDERS[task],
            }
        )
        for row in rows.iter_rows(named=True)
    )
    write_atomically(new / f"{task}.jsonl", b"".join(lines))


def _write_windows(
    mimic: Mimic, stage: Mapping[str, Staged], portion: pl.DataFrame, number: int, new: Path, options: PredictionOptions
) -> None:
    lists: dict[str, list[pl.DataFrame]] = {folder: [] for folder in FOLDERS.values()}
    long_enough = pl.col("los_us") >= OBSERVED_HOURS * 3_600_000_000
    for few, events in worded_portions(mimic, stage, portion):
        for folder, stays, end in (("records_48h", few.filter(long_enough), float(OBSERVED_HOURS)), ("records_stay", few, None)):
            window = Window(end, options.window_by, options.durations)
            lists[folder].append(lists_of(stays, merge_events(observe(events, stays, window), options.profile)))
    for folder, portions in lists.items():
        write_lists(portions, new / folder / f"part-{number:05d}.parquet")


def _write_manifest(
    mimic: Mimic, new: Path, options: PredictionOptions, types: list[str], ccs: Ccs | None, summary: PredictionSummary
) -> None:
    tables = {"icustays"} | {name for event_type in types for name in EVENT_TABLES[event_type].sources}
    tables |= {"discharge"} if mimic.has("discharge") else set()
    tables |= {"diagnoses_icd"} if ccs else set()
    summary.open_data = is_open_demo(mimic, sorted(tables))
    told = asdict(options) | {"ccs": None, "split_file": options.split_file.name if options.split_file else None}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "open_data": summary.open_data,
        "notice": NOTICE if summary.open_data else "Derived from credentialed data: the data use agreement of MIMIC-IV applies.",
        "options": told,
        "tables": {name: {"file": mimic.path(name).name, "sha256": mimic.digest(name)} for name in sorted(tables)},
        "ccs": dict(ccs.sources) if ccs else None,
        "phenotypes": {str(number): name for number, name in PHENOTYPES.items()},
        "counts": {key: value for key, value in asdict(summary).items() if key != "open_data"},
    }
    write_atomically(new / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
