"""``ehrbench data prepare``: build a benchmark's files from the user's own copies of their sources; one command a suite."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ehrbench.cli.prepare_options import (
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
    target_folder,
)

app = typer.Typer(help="Build a benchmark's files from your own copies of MIMIC-IV and other sources.", no_args_is_help=True)


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
    mimic: MimicFolder,
    ed: EdFolder = None,
    notes: NotesFolder = None,
    out: Annotated[Path | None, out_option("mimic_instr")] = None,
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
    split: SplitFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Also write every question the templates can ask.")] = False,
    hadm_id: Annotated[list[int] | None, typer.Option(help="With --all: of this admission only; repeatable.")] = None,
    cache: CacheFolder = None,
    as_json: AsJson = False,
) -> None:
    """Build MIMIC-Instr: event lists, schema-alignment questions with exact answers, a split by patient, the test subset.

    The same release, options and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from dataclasses import asdict

    from ehrbench.cli.output import print_json
    from ehrbench.errors import UsageError
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.build.prepare import Options, prepare

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


@app.command("mimic_prediction")
def mimic_prediction(
    mimic: MimicFolder,
    ccs: Annotated[Path | None, typer.Option(help="Folder of AHRQ's single-level CCS files, for the phenotypes.")] = None,
    out: Annotated[Path | None, out_option("mimic_prediction")] = None,
    profile: Annotated[Profile, typer.Option(help="Events shown, less the billed diagnoses.")] = Profile.paper,
    seed: Annotated[int, typer.Option(help="Decides the split.")] = 0,
    window_by: Annotated[
        WindowBy, typer.Option(help="Events stored by the window's end, or that happened by then.")
    ] = WindowBy.available,
    durations: Annotated[
        Durations, typer.Option(help="Durations that run on: cut at the window's end, or kept.")
    ] = Durations.clip,
    long_stay_hours: Annotated[float, typer.Option(min=0, help="A longer hospital stay is a long one.")] = 168,
    split: SplitFile = None,
    cache: CacheFolder = None,
    as_json: AsJson = False,
) -> None:
    """Build the prediction benchmark: mortality, length of stay, readmission and 25 phenotypes, with what each may see."""
    from dataclasses import asdict

    from ehrbench.cli.output import print_json, print_table
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.prediction.prepare import PredictionOptions, prepare_prediction

    target = target_folder(out, "mimic_prediction")
    options = PredictionOptions(profile.value, seed, window_by.value, durations.value, long_stay_hours, ccs, split)
    summary = prepare_prediction(Mimic(release(mimic), cache=cache), target, options, say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    rows = [(task, n, summary.positives.get(task)) for task, n in summary.admissions.items()]
    print_table(("task", "admissions", "positive"), rows, numbers=(1, 2))
    if summary.skipped:
        typer.echo(f"note: {summary.skipped}", err=True)
    typer.echo(f"{target} ({licence(summary.open_data)})")


class BuildProfile(str, Enum):
    """How EHR-Bench is built."""

    ref = "ref"
    fixed = "fixed"
    clean = "clean"


class Layout(str, Enum):
    """Which of the two releases' forms is written."""

    jsonl = "jsonl"
    parquet = "parquet"


@app.command("ehr_bench")
def ehr_bench(
    mimic: MimicFolder,
    ed: EdFolder = None,
    notes: NotesFolder = None,
    out: Annotated[Path | None, out_option("ehr_bench")] = None,
    profile: Annotated[
        BuildProfile,
        typer.Option(
            help="clean: no leaks; ref: the released procedure; fixed: that, with rows without a time and codes mended."
        ),
    ] = BuildProfile.clean,
    seed: Annotated[int, typer.Option(help="Decides which samples are drawn, and the split.")] = 0,
    per_task: Annotated[int, typer.Option(min=2, help="Most rows of a task.")] = 500,
    layout: Annotated[
        Layout, typer.Option(help="Form of the release: serialised rows, or patients' files with index tables.")
    ] = Layout.jsonl,
    test_share: Annotated[
        float | None,
        typer.Option(
            help="Ask about this share of the patients only, and write rows about the others to train on. [default: all]"
        ),
    ] = None,
    split: SplitFile = None,
    train_rows: Annotated[int, typer.Option(min=2, help="Most rows of a task to train on.")] = 500,
    ccs: Annotated[
        Path | None,
        typer.Option(help="Folder of AHRQ's CCS files, for the CCS tasks; or of d_ccs_diagnoses.csv and d_ccs_procedures.csv."),
    ] = None,
    atc: Annotated[Path | None, typer.Option(help="CSV of NDC codes and ATC names (ndc_code, atc_name).")] = None,
    as_json: AsJson = False,
) -> None:
    """Build EHR-Bench: serialised rows of the decision-making and the risk-prediction tasks, and their index files.

    The same release, options and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from dataclasses import asdict

    from ehrbench.cli.output import print_json, print_table
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.ehr_bench.build.maps import Maps
    from ehrbench.suites.ehr_bench.build.prepare import Options, prepare

    target = target_folder(out, "ehr_bench")
    tables = Mimic(release(mimic), ed=ed, note=notes)
    options = Options(profile.value, seed, per_task, layout.value, test_share, split, train_rows)
    summary = prepare(tables, target, options, Maps(ccs, atc), say(as_json))
    if as_json:
        print_json({"out": str(target), **asdict(summary)})
        return
    rows = [(t, n, summary.kept[t], summary.written[t], summary.positives.get(t)) for t, n in summary.raw.items()]
    print_table(("task", "samples", "kept", "written", "yes"), rows, numbers=(1, 2, 3, 4))
    typer.echo(
        f"{summary.patients:,} patients, {summary.events:,} events; {summary.long_records:,} patients left out for long records"
    )
    if summary.splits:
        parts = ", ".join(f"{name} {n:,}" for name, n in summary.splits.items())
        typer.echo(f"patients: {parts}; {sum(summary.training.values()):,} rows to train on")
    for sentence in summary.skipped:
        typer.echo(f"note: {sentence}", err=True)
    typer.echo(f"{target} ({licence(summary.open_data)})")


@app.command("meds_bench")
def meds_bench(
    radiology: Annotated[Path | None, typer.Option(help="radiology.csv.gz of MIMIC-IV-Note: CT, MRI, ultrasound.")] = None,
    cxr: Annotated[Path | None, typer.Option(help="MIMIC-CXR's reports: the folder or the zip.")] = None,
    ed: Annotated[Path | None, typer.Option(help="master_dataset.csv of nliulab/mimic4ed-benchmark.")] = None,
    mednli: Annotated[Path | None, typer.Option(help="MedNLI's folder.")] = None,
    meqsum: Annotated[Path | None, typer.Option(help="MeQSum's workbook, or a table with CHQ and Summary.")] = None,
    rct: Annotated[Path | None, typer.Option(help="A table with abstract and conclusion (.csv, .tsv, .jsonl, .xlsx).")] = None,
    out: Annotated[Path | None, out_option("meds_bench")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    rules: Annotated[str, typer.Option(help="clean, or paper: any 'ct' in an examination's name makes it a CT.")] = "clean",
    as_json: AsJson = False,
) -> None:
    """Build MedS-Bench's withdrawn files: radiology summaries, emergency outcomes, entailment, questions, trial conclusions.

    The same sources and seed give the same bytes. The folder is readable by you alone and ignored by git.
    """
    from ehrbench.cli.output import print_json, print_table
    from ehrbench.errors import UsageError
    from ehrbench.suites.meds_bench.build import Sources, prepare

    if rules not in ("clean", "paper"):
        raise UsageError(f"--rules is '{rules}': expected clean, paper")
    target = target_folder(out, "meds_bench")
    sources = Sources(radiology, cxr, ed, mednli, meqsum, rct)
    built = prepare(sources, target, seed=seed, rules="paper" if rules == "paper" else "clean", say=say(as_json))
    if as_json:
        print_json([{**one._asdict(), "path": str(one.path) if one.path else None} for one in built])
        return
    print_table(("file", "instances", "eligible"), [(one.place, one.n, one.n_eligible) for one in built], numbers=(1, 2))
    for one in built:
        if one.n < one.wanted:
            typer.echo(f"note: {one.place}: {one.n} of {one.wanted} instances wanted", err=True)
    typer.echo(str(target / "prepared"))
