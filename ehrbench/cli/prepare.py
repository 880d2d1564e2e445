"""``ehrbench data prepare``: build a benchmark's files from MIMIC-IV; one command a suite."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Build a benchmark's files from MIMIC-IV.", no_args_is_help=True)


@app.callback()
def _prepare() -> None:
    pass


class Profile(str, Enum):
    """Which events a list shows."""

    paper = "paper"
    released = "released"


class ChiefComplaint(str, Enum):
    """Where the chief complaint is from."""

    note = "note"
    ed = "ed"


@app.command("mimic_instr")
def mimic_instr(
    mimic: Annotated[str, typer.Option(help="Folder of MIMIC-IV, with hosp/ and icu/; or 'sample'.")],
    ed: Annotated[Path | None, typer.Option(help="Folder of MIMIC-IV-ED, where it lies apart.")] = None,
    notes: Annotated[Path | None, typer.Option(help="Folder of MIMIC-IV-Note, where it lies apart.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write. [default: mimic_instr in $EHRBENCH_DATA or ./data]")] = None,
    profile: Annotated[
        Profile, typer.Option(help="Events shown: the paper's tables, or those of the released code.")
    ] = Profile.paper,
    seed: Annotated[int, typer.Option(help="Decides the questions, the split and the test subset.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="Questions an admission.")] = 6,
    inputs_outputs: Annotated[bool, typer.Option("--inputs-outputs", help="Ask about inputs and outputs, too.")] = False,
    max_events: Annotated[int, typer.Option(min=1, help="Leave out admissions with longer lists.")] = 4000,
    with_notes: Annotated[bool, typer.Option("--with-notes", help="Keep only admissions with a discharge summary.")] = False,
    chief_complaint: Annotated[
        ChiefComplaint, typer.Option(help="From the note, or as a substitute from triage.")
    ] = ChiefComplaint.note,
    split: Annotated[Path | None, typer.Option(help="CSV with split and subject_id or hadm_id, in place of ours.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also write every question the templates can ask.")] = False,
    hadm_id: Annotated[list[int] | None, typer.Option(help="With --all: of this admission only; repeatable.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for Parquet copies of the tables, for quicker repeats.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build MIMIC-Instr: event lists, schema-alignment questions with exact answers, a split by patient, the test subset.

    The same release, options and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from dataclasses import asdict

    from ehrbench.cli.output import print_json
    from ehrbench.errors import UsageError
    from ehrbench.mimic.prepare import Options, prepare
    from ehrbench.mimic.tables import Mimic

    if hadm_id and not everything:
        raise UsageError("--hadm-id restricts --all; give both")
    target = _target(out, "mimic_instr")
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
    )
    summary = prepare(Mimic(_release(mimic), ed=ed, note=notes, cache=cache), target, options, _say(as_json))
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
    for warning in summary.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{target} ({_licence(summary.open_data)})")


class WindowBy(str, Enum):
    """Which time of an event decides whether a window has it."""

    available = "available"
    timestamp = "timestamp"


class Durations(str, Enum):
    """What becomes of a duration that runs on beyond a window."""

    clip = "clip"
    keep = "keep"


@app.command("mimic_prediction")
def mimic_prediction(
    mimic: Annotated[str, typer.Option(help="Folder of MIMIC-IV, with hosp/ and icu/; or 'sample'.")],
    ccs: Annotated[Path | None, typer.Option(help="Folder of AHRQ's single-level CCS files, for the phenotypes.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write. [default: mimic_prediction in $EHRBENCH_DATA or ./data]")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="Events shown, less the billed diagnoses.")] = Profile.paper,
    seed: Annotated[int, typer.Option(help="Decides the split.")] = 0,
    window_by: Annotated[
        WindowBy, typer.Option(help="Events stored by the window's end, or that happened by then.")
    ] = WindowBy.available,
    durations: Annotated[
        Durations, typer.Option(help="Durations that run on: cut at the window's end, or kept.")
    ] = Durations.clip,
    long_stay_hours: Annotated[float, typer.Option(min=0, help="A longer hospital stay is a long one.")] = 168,
    split: Annotated[Path | None, typer.Option(help="CSV with split and subject_id or hadm_id, in place of ours.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for Parquet copies of the tables, for quicker repeats.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build the prediction benchmark: mortality, length of stay, readmission and 25 phenotypes, with what each may see."""
    from dataclasses import asdict

    from ehrbench.cli.output import print_json, print_table
    from ehrbench.mimic.prepare_prediction import PredictionOptions, prepare_prediction
    from ehrbench.mimic.tables import Mimic

    target = _target(out, "mimic_prediction")
    options = PredictionOptions(profile.value, seed, window_by.value, durations.value, long_stay_hours, ccs, split)
    summary = prepare_prediction(Mimic(_release(mimic), cache=cache), target, options, _say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    rows = [(task, n, summary.positives.get(task)) for task, n in summary.admissions.items()]
    print_table(("task", "admissions", "positive"), rows, numbers=(1, 2))
    if summary.skipped:
        typer.echo(f"note: {summary.skipped}", err=True)
    typer.echo(f"{target} ({_licence(summary.open_data)})")


def _release(mimic: str) -> Path:
    from ehrbench.datasets.samples import SAMPLE_WORD, ensure_sample

    return ensure_sample("mimic") if mimic == SAMPLE_WORD else Path(mimic)


def _target(out: Path | None, suite: str) -> Path:
    from ehrbench.datasets.data_dir import chosen_data_dir, is_sample
    from ehrbench.errors import UsageError

    if out is None and is_sample(None):
        raise UsageError("$EHRBENCH_DATA is 'sample', which is no folder to write to; name one with --out")
    return Path(chosen_data_dir(None)) / suite if out is None else out


def _say(silent: bool) -> Callable[[str], None]:
    return (lambda _: None) if silent else (lambda line: typer.echo(f"… {line}", err=True))


def _licence(open_data: bool) -> str:
    return "the open demo: ODbL 1.0" if open_data else "credentialed data"
