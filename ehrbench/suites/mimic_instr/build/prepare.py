"""Building MIMIC-Instr's files from MIMIC-IV: cohort, event lists, questions, split, test subset.

Three steps keep memory small whatever the release's size: each table is streamed once, reduced to the cohort's events and laid
aside in stretches of admissions; these are then taken in portions of ``PORTION``; each portion's lists and questions are written
before the next is read. The same release, options and polars version give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from ehrbench.errors import UsageError
from ehrbench.jsonl import encode, write_atomically
from ehrbench.mimic.cohort import Cohort, build_cohort
from ehrbench.mimic.events import EVENT_TABLES, LISTED_TYPES, STATIC_TYPES, Profile
from ehrbench.mimic.known import NOTICE, is_open_demo
from ehrbench.mimic.portions import PORTION, lists_of, replace_files, with_split, worded_portions, workspace, write_lists
from ehrbench.mimic.render import merge_events
from ehrbench.mimic.split import SPLITS, order_by_hash
from ehrbench.mimic.staging import repeated_rows, stage_events
from ehrbench.mimic.stretches import Staged
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.mimic_instr.questions import (
    LIVE_TYPES,
    QUESTION_TYPES,
    Chart,
    Question,
    all_questions,
    charts,
    sample_questions,
)

FORMAT = "ehrbench mimic_instr"
FORMAT_VERSION = 1
MAX_EVENTS = 4000
"""Longest event list that is kept (the paper's limit)."""
N_QUESTIONS = 6
"""Questions an admission (the release's number)."""
N_TEST_SUBSET = 100


@dataclass(frozen=True)
class Options:
    """What decides the files, beside the release."""

    profile: Profile = "paper"
    """Which events a list shows; ``paper`` makes the questions about diagnoses answerable."""
    seed: int = 0
    n_questions: int = N_QUESTIONS
    inputs_outputs: bool = False
    """Draw questions about inputs and outputs, too, which the paper has and the released code does not ask."""
    max_events: int = MAX_EVENTS
    with_notes: bool = False
    """Keep only admissions with a discharge summary, as the paper did."""
    chief_complaint: str = "note"
    """``note``, or ``ed`` for the emergency department's triage as a substitute."""
    everything: bool = False
    """Also write every question that the templates can ask."""
    hadm_ids: tuple[int, ...] = ()
    """Restrict ``everything`` to these admissions."""
    split_file: Path | None = None
    keep_repeated: bool = False
    """Keep rows that a table has twice, as the authors' code does."""

    @property
    def types(self) -> tuple[str, ...]:
        """Event types that questions are drawn from."""
        return QUESTION_TYPES if self.inputs_outputs else LIVE_TYPES


@dataclass
class Summary:
    """What was made, in numbers."""

    steps: dict[str, int]
    events: dict[str, int] = field(default_factory=dict)
    unknown_items: dict[str, int] = field(default_factory=dict)
    """Rows left out because the release's own dictionary does not name their item, by event type."""
    repeated: dict[str, int] = field(default_factory=dict)
    """Rows left out because the table has them twice, by event type."""
    too_long: int = 0
    """Admissions left out because their list is longer than ``max_events``."""
    admissions: int = 0
    patients: int = 0
    questions: int = 0
    all_questions: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    """Admissions of each."""
    test_subset: int = 0
    warnings: list[str] = field(default_factory=list)
    open_data: bool = False


def prepare(mimic: Mimic, out: Path, options: Options, progress: Callable[[str], None] = lambda _: None) -> Summary:
    """Write the prepared folder.

    Args:
        mimic: the release.
        out: where to; files of an earlier preparation are replaced, others are left alone. Readable by its owner only.
        options: see ``Options``.
        progress: told what is being done.

    Raises:
        MissingError: a table is missing.
        UsageError: a table is malformed, or ``hadm_ids`` names an admission that is not in the cohort.
    """
    progress("choosing admissions")
    cohort = build_cohort(mimic, with_notes=options.with_notes, chief_complaint=options.chief_complaint)
    summary = Summary(cohort.steps, warnings=list(cohort.warnings))
    unknown = set(options.hadm_ids) - set(cohort.admissions["hadm_id"])
    if unknown:
        raise UsageError(f"--hadm-id: {', '.join(map(str, sorted(unknown)))} is not in the cohort of {cohort.admissions.height}")
    with workspace(out) as work:
        stage = stage_events(mimic, cohort, work, _event_types(options), progress, keep_repeated=options.keep_repeated)
        summary.repeated = repeated_rows(stage)
        chosen = _choose(cohort, stage, options, summary)
        _write_portions(mimic, chosen, stage, work / "new", options, summary, progress)
        _write_cohort(chosen, work / "new", options, summary)
        _write_manifest(mimic, work / "new", options, summary)
        replace_files(work / "new", out, stale=("records", "qa_all.jsonl"))
    return summary


def _event_types(options: Options) -> list[str]:
    """Those that are listed or asked about."""
    asked = QUESTION_TYPES if options.everything else options.types
    return [e for e in EVENT_TABLES if e in (*STATIC_TYPES, *LISTED_TYPES[options.profile], *asked)]


def _choose(cohort: Cohort, stage: Mapping[str, Staged], options: Options, summary: Summary) -> pl.DataFrame:
    """The admissions to keep, with the length of their lists and their split."""
    lengths = cohort.admissions.select("hadm_id", len_selected=pl.lit(0, pl.Int64))
    for event_type, staged in stage.items():
        counted = (
            staged.scan()
            .group_by("hadm_id")
            .agg(n=pl.col("known").sum(), unknown=(~pl.col("known")).sum())
            .collect(engine="streaming")
        )
        summary.events[event_type] = int(counted["n"].sum())
        if not summary.events[event_type]:
            summary.warnings.append(f"no row of {event_type} makes an event of the cohort")
        if n_unknown := int(counted["unknown"].sum()):
            summary.unknown_items[event_type] = n_unknown
        if event_type in (*STATIC_TYPES, *LISTED_TYPES[options.profile]):
            joined = lengths.join(counted.select("hadm_id", "n"), on="hadm_id", how="left")
            lengths = joined.select("hadm_id", len_selected=pl.col("len_selected") + pl.col("n").fill_null(0).cast(pl.Int64))
    summary.warnings += _count_discharges(cohort, stage["transfers"])
    rows = cohort.admissions.join(lengths, on="hadm_id").sort("hadm_id")
    # The split is that of the whole cohort, so that it is the same under each profile and limit.
    chosen = with_split(rows, options.seed, options.split_file).filter(pl.col("len_selected") <= options.max_events)
    if chosen.is_empty():
        raise UsageError(f"every event list has more than {options.max_events} events; raise --max-events")
    summary.too_long = rows.height - chosen.height
    summary.admissions, summary.patients = chosen.height, chosen["subject_id"].n_unique()
    summary.splits = {name: chosen.filter(pl.col("split") == name).height for name in SPLITS}
    return chosen


def _count_discharges(cohort: Cohort, transfers: Staged) -> list[str]:
    counted = transfers.scan().group_by("hadm_id").agg(n=pl.col("leaves").sum()).filter(pl.col("n") == 1).collect()
    n_odd = cohort.admissions.height - counted.height
    odd = f"{n_odd} admissions have no discharge row in transfers, or several: nothing is asked about their discharge"
    return [odd] if n_odd else []


def _write_portions(
    mimic: Mimic,
    chosen: pl.DataFrame,
    stage: Mapping[str, Staged],
    new: Path,
    options: Options,
    summary: Summary,
    progress: Callable[[str], None],
) -> None:
    (new / "records").mkdir(parents=True)
    subset = _test_subset(chosen, options.seed)
    with (
        (new / "qa_event.jsonl").open("wb") as sampled,
        (new / "qa_test_subset.jsonl").open("wb") as tested,
        (new / "qa_all.jsonl").open("wb") as everything,
    ):
        for number, portion in enumerate(chosen.iter_slices(PORTION)):
            progress(f"writing admissions {number * PORTION + 1} to {number * PORTION + portion.height} of {chosen.height}")
            lists = []
            splits = dict(portion.select("hadm_id", "split").iter_rows())
            for few, events in worded_portions(mimic, stage, portion):
                lists.append(lists_of(few, merge_events(events, options.profile)))
                for chart in charts(few, {e: events[e] for e in QUESTION_TYPES if e in events}):
                    lines = [*_lines("event", sample_questions(chart, options.n_questions, options.seed, options.types), splits)]
                    sampled.writelines(lines)
                    summary.questions += len(lines)
                    if chart.hadm_id in subset and lines:
                        tested.write(Random(f"mimic-instr subset {options.seed} {chart.hadm_id}").choice(lines))
                        summary.test_subset += 1
                    if options.everything and (not options.hadm_ids or chart.hadm_id in options.hadm_ids):
                        summary.all_questions += _write_everything(everything, chart, splits)
            write_lists(lists, new / "records" / f"part-{number:05d}.parquet")
    if not options.everything:
        (new / "qa_all.jsonl").unlink()


def _write_everything(file: Any, chart: Chart, splits: Mapping[int, str | None]) -> int:
    n = 0
    for line in _lines("all", all_questions(chart), splits):
        file.write(line)
        n += 1
    return n


def _lines(source: str, questions: Iterable[Question], splits: Mapping[int, str | None]) -> Iterator[bytes]:
    for number, question in enumerate(questions, 1):
        row = {"id": f"{source}-{question.hadm_id}-{number}", "source": source, "split": splits[question.hadm_id]}
        yield encode(row | vars(question))


def _test_subset(chosen: pl.DataFrame, seed: int) -> set[int]:
    """One admission of each of up to 100 test patients."""
    admissions: dict[int, list[int]] = {}
    for subject, hadm in chosen.filter(pl.col("split") == "test").select("subject_id", "hadm_id").iter_rows():
        admissions.setdefault(subject, []).append(hadm)
    patients = order_by_hash(seed, "mimic-instr subset", admissions)[:N_TEST_SUBSET]
    return {order_by_hash(seed, "mimic-instr subset", admissions[patient])[0] for patient in patients}


def _write_cohort(chosen: pl.DataFrame, new: Path, options: Options, summary: Summary) -> None:
    columns = [
        "subject_id",
        "hadm_id",
        "stay_id",
        "hadm_intime",
        "hadm_outtime",
        "hadm_los",
        "stay_intime",
        "stay_outtime",
        "stay_los",
    ]
    rows = chosen.select(*columns, "len_selected", "split")
    subset = _test_subset(chosen, options.seed)
    parts = {name: rows.filter(pl.col("split") == name) for name in SPLITS}
    parts["test_subset"] = rows.filter(pl.col("hadm_id").is_in(list(subset)))
    rows.write_csv(new / "cohort.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    for name, part in parts.items():
        part.write_csv(new / f"cohort_{name}.csv", datetime_format="%Y-%m-%d %H:%M:%S")


def _write_manifest(mimic: Mimic, new: Path, options: Options, summary: Summary) -> None:
    tables = sorted(
        {name for table in EVENT_TABLES.values() for name in table.sources} | {"icustays"} | _note_tables(mimic, options)
    )
    summary.open_data = is_open_demo(mimic, tables)
    told = asdict(options) | {
        "split_file": options.split_file.name if options.split_file else None,
        "hadm_ids": list(options.hadm_ids),
    }
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "open_data": summary.open_data,
        "notice": NOTICE if summary.open_data else "Derived from credentialed data: the data use agreement of MIMIC-IV applies.",
        "options": told,
        "tables": {name: {"file": mimic.path(name).name, "sha256": mimic.digest(name)} for name in tables},
        "counts": {key: value for key, value in asdict(summary).items() if key != "open_data"},
    }
    write_atomically(new / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")


def _note_tables(mimic: Mimic, options: Options) -> set[str]:
    if mimic.has("discharge"):
        return {"discharge"}
    return {"edstays", "triage"} if options.chief_complaint == "ed" else set()
