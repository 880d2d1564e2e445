"""``ehrbench rate``: plan, hold and export a study in which clinicians judge blinded answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Let clinicians judge blinded answers: plan a study, serve it, export the ratings.", no_args_is_help=True)

StudyFolder = Annotated[Path, typer.Argument(help="Folder of the study, as `ehrbench rate plan` made it.")]


@app.command()
def plan(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders above them: each run is a system.")],
    raters: Annotated[Path, typer.Option(help="Table of the raters with the columns name and specialty (CSV, TSV).")],
    out: Annotated[Path, typer.Option(help="Folder of the study.")],
    mode: Annotated[
        str, typer.Option(help="What raters do: rank (all answers), correct (verdicts only), pairs (two at a time) or likert.")
    ] = "rank",
    items: Annotated[int | None, typer.Option(help="Number of items to draw. [default: all]")] = None,
    stratify: Annotated[
        str | None, typer.Option(help="Draw in proportion to this property of the items, such as category.")
    ] = None,
    per_item: Annotated[int, typer.Option(min=1, help="Number of raters who read each item.")] = 1,
    overlap: Annotated[int, typer.Option(min=0, help="Number of items that several raters read.")] = 0,
    readers: Annotated[int, typer.Option(min=2, help="Number of raters who read each of the items of --overlap.")] = 3,
    title: Annotated[str, typer.Option(help="Title shown to raters. [default: the task's]")] = "",
    show_gold: Annotated[bool, typer.Option("--show-gold", help="Show raters the reference answers.")] = False,
    seed: Annotated[int, typer.Option(help="Seed for drawing, assigning and blinding.")] = 0,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide who reads what, and write study.yaml to be looked at and edited."""
    from collections import Counter

    from ehrbench.errors import UsageError
    from ehrbench.scoring.loaded import find_runs
    from ehrbench.terminal.output import print_json, print_table
    from ehrbench.workbench.rate.plan import Wish, plan_study, read_raters
    from ehrbench.workbench.rate.study import MODES, write_study

    if mode not in MODES:
        raise UsageError(f"--mode is '{mode}': expected {', '.join(MODES)}")
    wish = Wish(mode, items, stratify, per_item, overlap, readers, seed, show_gold, title)
    planned = plan_study(find_runs(runs), read_raters(raters), wish, out, data_dir)
    study = planned.study
    path = write_study(out, study)
    loads = Counter(name for names in study.assignments.values() for name in names)
    if as_json:
        print_json({"study": str(path), "loads": dict(loads), "power": study.power, "notes": planned.notes})
        return
    typer.echo(f"{len(study.assignments)} items, {len(study.systems)} systems, {sum(loads.values())} readings\n")
    rows = [(rater.name, rater.specialty, loads[rater.name]) for rater in study.raters]
    print_table(("rater", "specialty", "items"), rows, numbers=(2,))
    typer.echo("\n" + "\n".join(study.power))
    for note in planned.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"\n{path}\nLook at it, change what you like, then: ehrbench rate serve {out}")


@app.command()
def serve(
    study: StudyFolder,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes any free port.")] = 0,
    listen: Annotated[
        str | None,
        typer.Option(
            help="Address for colleagues on other machines, HOST:PORT; needs a certificate and `ehrbench approve https://HOST:PORT`."
        ),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate of the host in --listen (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of that certificate (PEM).")] = None,
    idle_minutes: Annotated[
        float, typer.Option(min=0, help="Stop after this many minutes without a request; 0 means never.")
    ] = 480,
    new_links: Annotated[bool, typer.Option("--new-links", help="Make new personal links; the old ones stop working.")] = False,
) -> None:
    """Serve the pages on which raters judge; every click is kept at once, and the same command continues after a stop."""
    from ehrbench.workbench.rate.serve import open_study, serve_study
    from ehrbench.workbench.serving import local_place, shared_place

    with open_study(study, alone=True) as opened:
        place = local_place(port) if listen is None else shared_place(listen, tls_cert, tls_key, opened.material.task)

        def ready(address: str, links: dict[str, str]) -> None:
            typer.echo(f"{opened.study.title}: one personal link per rater; give each to its rater alone\n")
            for rater, link in links.items():
                typer.echo(f"{rater}  {link}")
            if not address.startswith("https"):
                typer.echo("\nThe links open on this machine only; --listen serves colleagues", err=True)
            typer.echo("Ctrl-C ends it; everything is kept", err=True)

        idle = serve_study(opened, place, idle_minutes=idle_minutes, renew_links=new_links, ready=ready)  # type: ignore[arg-type]
    if idle:
        typer.echo(f"closed after {idle_minutes:g} minutes without a request; the same command continues", err=True)


@app.command()
def status(study: StudyFolder, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show how far each rater is and how far raters agree so far, without telling one system from another."""
    from ehrbench.cli.correlation_options import print_notes
    from ehrbench.terminal.numbers import decimal
    from ehrbench.terminal.output import print_json, print_table
    from ehrbench.workbench.rate.serve import open_study
    from ehrbench.workbench.rate.status import study_status

    with open_study(study) as opened:
        found = study_status(opened.study, opened.material, opened.store.all_work())
    if as_json:
        print_json({**found._asdict(), "raters": [rater._asdict() for rater in found.raters]})
        return
    rows = [(r.rater, r.assigned, r.done, r.begun, r.without, decimal(r.minutes, 1)) for r in found.raters]
    print_table(("rater", "items", "done", "begun", "not judgeable", "minutes per item"), rows, numbers=range(1, 6))
    one_item = found.n_repeated == 1
    typer.echo(f"\n{found.n_repeated} {'item is' if one_item else 'items are'} finished by several raters")
    labels = {"alpha_ranks": "Krippendorff's alpha of ranks", "alpha_verdicts": "Krippendorff's alpha of verdicts"}
    labels |= {"kendall_w": "Kendall's W", "tau_b": "Kendall's tau-b between raters"}
    rows_ = [
        (
            labels[name],
            decimal(one["value"]),
            "" if one["low"] is None else f"{decimal(one['low'])} to {decimal(one['high'])}",
            one["n"],
        )
        for name, one in found.agreement.items()
    ]
    if rows_:
        print_table(("statistic", "value", "95 % interval", "n"), rows_, numbers=(1, 2, 3))
    print_notes(found.notes)


@app.command()
def export(
    study: StudyFolder,
    out: Annotated[Path, typer.Option(help="File for the table of ratings (CSV): ids, names and numbers, no text.")],
    release: Annotated[
        Path | None, typer.Option(help="Also write the ratings into this folder in the layout of the release, which holds text.")
    ] = None,
    details: Annotated[
        Path | None, typer.Option(help="Also write comments and histories to this file (JSON Lines); they may quote records.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the ratings that human-stats, correlate and agreement read. This unblinds the study."""
    from ehrbench.cli.correlation_options import print_notes
    from ehrbench.errors import UsageError
    from ehrbench.readers.data_dir import locate
    from ehrbench.terminal.output import print_json
    from ehrbench.workbench.rate import export as exporting
    from ehrbench.workbench.rate.adjudicate import consensus_of
    from ehrbench.workbench.rate.serve import open_study

    with open_study(study) as opened:
        collected = exporting.collect(opened.study, opened.material, opened.store.all_work())
        if not collected.judgements:
            raise UsageError(f"{study}: no reading is finished yet, so there is nothing to export")
        written = [exporting.write_private(out, exporting.ratings_csv(opened.study, collected.judgements))]
        if consensus := consensus_of(opened.study, opened.material, opened.store.all_work()):
            beside = out.with_name(f"{out.stem}-consensus{out.suffix}")
            written.append(exporting.write_private(beside, exporting.ratings_csv(opened.study, consensus)))
        if release is not None:
            spec = opened.material.task.data
            write = exporting.layout_writer(spec.reader)
            written += write(locate(spec, opened.study.data_dir), release, collected.judgements)
        if details is not None:
            written.append(exporting.write_private(details, exporting.as_lines(exporting.details(opened.study, opened.store))))
    if as_json:
        print_json({"files": [str(path) for path in written], "notes": collected.notes, "judgements": len(collected.judgements)})
        return
    typer.echo("\n".join(map(str, written)))
    print_notes(collected.notes)
    typer.echo(f"\nNext: ehrbench human-stats --ratings {out}", err=True)


@app.command()
def adjudicate(
    study: StudyFolder,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes any free port.")] = 0,
    idle_minutes: Annotated[
        float, typer.Option(min=0, help="Stop after this many minutes without a request; 0 means never.")
    ] = 60,
) -> None:
    """Show items on which raters differ, still blinded, and keep a consensus beside what they said."""
    from ehrbench.workbench.rate.adjudicate import serve_adjudication
    from ehrbench.workbench.rate.serve import open_study

    def ready(link: str, n: int) -> None:
        typer.echo(link)
        typer.echo(f"{n} items on which raters differ; open this link on this machine, Ctrl-C ends it", err=True)

    with open_study(study, alone=True) as opened:
        serve_adjudication(opened, port, idle_minutes, ready)
