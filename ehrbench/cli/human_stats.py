"""``ehrbench human-stats``: what people said of the systems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ehrbench.correlation.human import HumanReport


def human_stats(
    task: Annotated[str | None, typer.Option(help="A task whose release holds people's ratings.")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases, or 'sample'. [default: $EHRBENCH_DATA or ./data]")
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(
            help="Ratings in place of a task's: a table with the columns item, rater, system and rank (CSV, TSV, Excel, Parquet)."
        ),
    ] = None,
    triples: Annotated[
        str | None,
        typer.Option(help="How to treat items that several people ranked: used, mean-rank or each. [default: used where marked]"),
    ] = None,
    tau: Annotated[str, typer.Option(help="Variant of Kendall's tau between raters: b, c, a or wmt.")] = "b",
    resample: Annotated[str, typer.Option(help="What intervals generalise over: items or patients.")] = "items",
    out: Annotated[
        Path | None, typer.Option(help="Write human.json, CSV files and a picture of the preferences into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Share correct, win rates under three rules for ties, mean ranks, pairings, and how far raters agree."""
    from ehrbench.cli.correlation_options import parse_options
    from ehrbench.correlation.human import human_stats as compute
    from ehrbench.correlation.output import head_to_head_csv, human_result, systems_csv, to_json, write_files
    from ehrbench.correlation.preferences import preferences_picture
    from ehrbench.correlation.sources import about, open_ratings
    from ehrbench.runs.manifest import command_line
    from ehrbench.terminal.output import print_json

    options = parse_options(tau=tau, triples=triples, unit=resample, units=("items", "patients"))
    source = open_ratings(task, data_dir, ratings)
    report = compute(source.rankings, options)
    result = human_result(report, about(source, options, command_line(), report.triples, drawn=False))
    if out is not None:
        files = {"human.json": to_json(result), "systems.csv": systems_csv(report), "head-to-head.csv": head_to_head_csv(result)}
        if (picture := preferences_picture(result)) is not None:
            files["preferences.svg"] = picture
        written = write_files(out, files)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    print_report(report)
    if out is not None:
        typer.echo("\n" + "\n".join(map(str, written)))


def print_report(report: HumanReport) -> None:
    """Print the tables."""
    from ehrbench.cli.correlation_options import print_notes
    from ehrbench.terminal.numbers import decimal, ends
    from ehrbench.terminal.output import print_cautions, print_table

    typer.echo(
        f"{report.n_items} items, {len(report.systems)} systems, {report.n_raters} raters; {report.n_repeated} items ranked by "
        f"several, of which '{report.triples}' counts; {report.n_constant} items on which all ranks are equal"
    )
    typer.echo(f"Intervals of 95 %: {report.interval}\n")
    rows = []
    for s in report.systems:
        correct = s.correct
        rows.append(
            (
                s.name,
                None if correct is None else f"{decimal(correct.value)} ({s.n_correct:g}/{correct.n})",
                ends(correct),
                decimal(s.win_rates["excluded"].value),
                ends(s.win_rates["excluded"]),
                decimal(s.win_rates["half"].value),
                decimal(s.win_rates["strict"].value),
                decimal(s.mean_rank.value),
                ends(s.mean_rank),
            )
        )
    header = ("system", "correct", "interval", "win rate", "interval", "ties half", "ties lost", "mean rank", "interval")
    print_table(header, rows, numbers=range(1, 9))
    print_cautions((s.name, s.mean_rank.caution) for s in report.systems)
    n, k = len(report.names), range(len(report.names))
    letters = [chr(ord("A") + i) if n <= 26 else str(i + 1) for i in k]
    for title, matrix in (
        ("Share of items on which the row's system was strictly preferred to the column's", report.pairings.wins),
        ("Share of ties", report.pairings.ties),
    ):
        typer.echo(f"\n{title}")
        table = [(f"{letters[i]}  {report.names[i]}", *("" if i == j else decimal(matrix[i, j], 2) for j in k)) for i in k]
        print_table(("", *letters), table, numbers=range(1, n + 1))
    if report.tie_share is not None:
        typer.echo(f"\n{report.tie_share:.1%} of all pairings are ties; the win rate leaves them out")
    rater = report.inter_rater
    if rater.value is None:
        typer.echo("Agreement between raters: no item has two rankings that can be compared")
    else:
        typer.echo(
            f"Agreement between raters: Kendall tau {decimal(rater.value)} ({ends(rater)}; normal {decimal(rater.normal_low)} to "
            f"{decimal(rater.normal_high)}), {rater.n} items, {report.n_inter_rater_undefined} undefined"
        )
    print_notes(report.notes)
