"""``ehrbench agreement``: raters among themselves, and judges beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ehrbench.stats.item_means import MeanInterval


def agreement(
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
    judge: Annotated[
        list[Path] | None,
        typer.Option(help="Run folders of a judge, or folders above them, to compare with the raters; repeatable."),
    ] = None,
    tau: Annotated[str, typer.Option(help="Variant of Kendall's tau between raters: b, c, a or wmt.")] = "b",
    resample: Annotated[str, typer.Option(help="What intervals generalise over: items or patients.")] = "items",
    out: Annotated[Path | None, typer.Option(help="Write agreement.json and agreement.csv into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Krippendorff's alpha, Kendall's W and mean pairwise tau of the raters, with a judge beside them where one is named."""
    import json

    from ehrbench.cli.correlation_options import parse_options, print_notes
    from ehrbench.correlation.judged import judge_agreement
    from ehrbench.correlation.output import write_files
    from ehrbench.correlation.raters import rater_agreement
    from ehrbench.correlation.sources import open_ratings
    from ehrbench.judge.stored import read_judges
    from ehrbench.tables import to_csv
    from ehrbench.terminal.numbers import decimal
    from ehrbench.terminal.output import print_json, print_table

    options = parse_options(tau=tau, unit=resample, units=("items", "patients"))
    rankings = open_ratings(task, data_dir, ratings).rankings
    report = rater_agreement(rankings, options)
    judged = read_judges(judge) if judge else []
    judges = [judge_agreement(rankings, one.judge, one.scores, options) for one in judged]
    plain = {**report.plain(), **({"judges": [one.plain() for one in judges]} if judge else {})}
    rows = [
        (label, one.value, one.low, one.high, one.n, undefined)
        for label, one, undefined in (
            ("Krippendorff's alpha of ranks (ordinal)", report.alpha, 0),
            ("Krippendorff's alpha of verdicts (nominal)", report.alpha_verdicts, 0),
            ("Kendall's W", report.w, report.n_w_undefined),
            (f"Kendall's tau-{report.variant} between raters", report.tau, report.n_tau_undefined),
        )
        if one is not None
    ]
    for beside in judges:
        rows += [
            (f"tau-{report.variant} of {beside.judge} with raters", *_ends(beside.with_raters), 0),
            ("  on items that several ranked", *_ends(beside.common), 0),
            ("  raters with one another on those", *_ends(beside.raters), 0),
            ("  difference, judge minus raters", *_ends(beside.difference), 0),
        ]
    written = []
    if out is not None:
        table = to_csv(("statistic", "value", "low", "high", "n", "n_undefined"), rows)
        written = write_files(out, {"agreement.json": json.dumps(plain, indent=2) + "\n", "agreement.csv": table})
    if as_json:
        print_json(plain)
        return
    typer.echo(f"{report.n_raters} raters; {report.n_items} items ranked by several\n95 % intervals: {report.interval}\n")
    shown = [
        (label, decimal(value), "" if low is None else f"{low:.3f} to {high:.3f}", n, undefined)
        for label, value, low, high, n, undefined in rows
    ]
    print_table(("statistic", "value", "interval", "n", "undefined"), shown, numbers=(1, 2, 3, 4))
    typer.echo(f"\nn: answers for alpha, items for the others; normal interval of tau {_normal(report.tau)}")
    if report.pairs:
        typer.echo("")
        print_table(
            ("rater", "rater", f"tau-{report.variant}", "items"),
            [(p.a, p.b, decimal(p.tau), p.n) for p in report.pairs],
            numbers=(2, 3),
        )
    print_notes(report.notes)
    print_notes([f"{one.judge}: {one.n_missing} rated answers have no score by it" for one in judges if one.n_missing])
    if not report.n_items:
        typer.echo("no item was ranked twice, so agreement cannot be computed", err=True)
    if written:
        typer.echo("\n" + "\n".join(map(str, written)))


def _ends(one: MeanInterval) -> tuple[float | None, float | None, float | None, int]:
    return one.value, one.low, one.high, one.n


def _normal(one: object) -> str:
    low, high = getattr(one, "normal_low", None), getattr(one, "normal_high", None)
    return "none" if low is None or high is None else f"{low:.3f} to {high:.3f}"
