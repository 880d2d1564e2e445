"""``ehrbench data prepare``: build a benchmark's files from MIMIC-IV; one command a suite."""

from __future__ import annotations

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
    from ehrbench.datasets.data_dir import chosen_data_dir, is_sample
    from ehrbench.datasets.samples import ensure_sample
    from ehrbench.errors import UsageError
    from ehrbench.mimic.prepare import Options, prepare
    from ehrbench.mimic.tables import Mimic

    if hadm_id and not everything:
        raise UsageError("--hadm-id restricts --all; give both")
    if out is None:
        if is_sample(None):
            raise UsageError("$EHRBENCH_DATA is 'sample', which is no folder to write to; name one with --out")
        out = Path(chosen_data_dir(None)) / "mimic_instr"
    root = ensure_sample("mimic") if mimic == "sample" else Path(mimic)
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
    say = (lambda _: None) if as_json else (lambda line: typer.echo(f"… {line}", err=True))
    summary = prepare(Mimic(root, ed=ed, note=notes, cache=cache), out, options, say)
    if as_json:
        print_json({"out": str(out), **asdict(summary)})
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
    licence = "the open demo: ODbL 1.0" if summary.open_data else "credentialed data"
    typer.echo(f"{out} ({licence})")
