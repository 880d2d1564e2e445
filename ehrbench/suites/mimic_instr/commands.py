"""``ehrbench data prepare mimic_instr`` and ``mimic_prediction``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ehrbench.terminal.prepare_options import (
    AsJson,
    CacheFolder,
    EdFolder,
    MimicFolder,
    NotesFolder,
    SplitFile,
    licence,
    out_option,
    release,
    say,
    say_repeated,
    target_folder,
)

KeepRepeated = Annotated[bool, typer.Option("--keep-repeated", help="Keep rows that a table has twice, as the authors do.")]


class Profile(str, Enum):
    """Which events a list shows."""

    paper = "paper"
    released = "released"


class ChiefComplaint(str, Enum):
    """Where the chief complaint is from."""

    note = "note"
    ed = "ed"


def prepare_instr(
    mimic: MimicFolder,
    ed: EdFolder = None,
    notes: NotesFolder = None,
    out: Annotated[Path | None, out_option("mimic_instr")] = None,
    profile: Annotated[
        Profile, typer.Option(help="Events shown: those of the paper's tables, or those of the released code.")
    ] = Profile.paper,
    seed: Annotated[int, typer.Option(help="Seed for drawing questions, for the split and for the test subset.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="Number of questions per admission.")] = 6,
    inputs_outputs: Annotated[bool, typer.Option("--inputs-outputs", help="Also ask about inputs and outputs.")] = False,
    max_events: Annotated[int, typer.Option(min=1, help="Leave out admissions with more events than this.")] = 4000,
    with_notes: Annotated[bool, typer.Option("--with-notes", help="Keep only admissions with a discharge summary.")] = False,
    chief_complaint: Annotated[
        ChiefComplaint, typer.Option(help="Source of the chief complaint: the note or, as a substitute, triage.")
    ] = ChiefComplaint.note,
    split: SplitFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Also write every question that the templates can ask.")] = False,
    hadm_id: Annotated[list[int] | None, typer.Option(help="With --all, write those of this admission only; repeatable.")] = None,
    keep_repeated: KeepRepeated = False,
    cache: CacheFolder = None,
    as_json: AsJson = False,
) -> None:
    """Build MIMIC-Instr: event lists, schema-alignment questions with exact answers, a split by patient, the test subset.

    The same release, options and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from dataclasses import asdict

    from ehrbench.errors import UsageError
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.build.prepare import Options, prepare
    from ehrbench.terminal.output import print_json

    if hadm_id and not everything:
        raise UsageError("--hadm-id restricts --all; give both")
    target = target_folder(out, "mimic_instr")
    options = Options(
        profile=profile.value,
        seed=seed,
        n_questions=questions,
        inputs_outputs=inputs_outputs,
        max_events=max_events,
        with_notes=with_notes,
        chief_complaint=chief_complaint.value,
        everything=everything,
        hadm_ids=tuple(hadm_id or ()),
        split_file=split,
        keep_repeated=keep_repeated,
    )
    summary = prepare(Mimic(release(mimic), ed=ed, note=notes, cache=cache), target, options, say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    for step, n in summary.steps.items():
        typer.echo(f"{n:>9,} admissions {step}")
    if summary.too_long:
        typer.echo(f"{summary.too_long:>9,} of them left out for more than {max_events} events")
    splits = ", ".join(f"{name} {n:,}" for name, n in summary.splits.items())
    typer.echo(f"{summary.admissions:>9,} admissions of {summary.patients:,} patients written ({splits})")
    typer.echo(f"{summary.questions:>9,} questions, {summary.test_subset} in the test subset")
    if everything:
        typer.echo(f"{summary.all_questions:>9,} questions in qa_all.jsonl")
    for event_type, n in summary.unknown_items.items():
        typer.echo(f"note: {n:,} rows of {event_type} left out, whose item the release's dictionary does not name", err=True)
    say_repeated(summary.repeated)
    for warning in summary.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{target} ({licence(summary.open_data)})")


class WindowBy(str, Enum):
    """Which time of an event decides whether a window has it."""

    available = "available"
    timestamp = "timestamp"


class Durations(str, Enum):
    """What becomes of a duration that runs on beyond a window."""

    clip = "clip"
    keep = "keep"


def prepare_prediction_tasks(
    mimic: MimicFolder,
    ccs: Annotated[Path | None, typer.Option(help="Folder of AHRQ's single-level CCS files, for the phenotypes.")] = None,
    out: Annotated[Path | None, out_option("mimic_prediction")] = None,
    profile: Annotated[Profile, typer.Option(help="Events shown, without the billed diagnoses.")] = Profile.paper,
    seed: Annotated[int, typer.Option(help="Seed for the split.")] = 0,
    window_by: Annotated[
        WindowBy, typer.Option(help="Which events are in the window: those stored by its end, or those that happened by then.")
    ] = WindowBy.available,
    durations: Annotated[
        Durations, typer.Option(help="Durations that go beyond the window: cut at its end, or kept.")
    ] = Durations.clip,
    long_stay_hours: Annotated[
        float, typer.Option(min=0, help="Hospital stays of more than this many hours count as long.")
    ] = 168,
    split: SplitFile = None,
    keep_repeated: KeepRepeated = False,
    cache: CacheFolder = None,
    as_json: AsJson = False,
) -> None:
    """Build the prediction benchmark: mortality, length of stay, readmission and 25 phenotypes, with what each may see."""
    from dataclasses import asdict

    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.prediction.prepare import PredictionOptions, prepare_prediction
    from ehrbench.terminal.output import print_json, print_table

    target = target_folder(out, "mimic_prediction")
    options = PredictionOptions(profile.value, seed, window_by.value, durations.value, long_stay_hours, ccs, split, keep_repeated)
    summary = prepare_prediction(Mimic(release(mimic), cache=cache), target, options, say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    rows = [(task, n, summary.positives.get(task)) for task, n in summary.admissions.items()]
    print_table(("task", "admissions", "positive"), rows, numbers=(1, 2))
    say_repeated(summary.repeated)
    if summary.skipped:
        typer.echo(f"note: {summary.skipped}", err=True)
    typer.echo(f"{target} ({licence(summary.open_data)})")
