"""``ehrbench compare``: two runs on their common items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    a: Annotated[Path, typer.Argument(help="Folder of a run, or a folder above one run for each of several tasks.")],
    b: Annotated[Path, typer.Argument(help="The run or runs to compare with, in the same form.")],
    metrics: Annotated[
        str | None, typer.Option(help="Metrics, separated by commas. [default: the primary metric of each task]")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Number of random sign patterns.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed for drawing the sign patterns.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write comparison.json, comparison.csv and paired.json into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Test whether two runs differ, in pairs, by patient, adjusted over tasks; different protocols, data or tasks are refused."""
    import json

    from ehrbench.cli.correlation_options import print_notes
    from ehrbench.correlation.compare import compare as compute
    from ehrbench.correlation.output import write_files
    from ehrbench.correlation.paired_file import paired_file
    from ehrbench.correlation.run_pairs import match_runs
    from ehrbench.tables import to_csv
    from ehrbench.terminal.output import print_json

    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics else None
    pairs = match_runs(a, b)
    report = compute(pairs, names, data_dir=data_dir, resamples=resamples, seed=seed)
    plain = report.plain()
    written = []
    if out is not None:
        flat = plain["comparisons"]
        table = to_csv(list(flat[0]), [list(row.values()) for row in flat])
        paired = json.dumps([test.model_dump(mode="json") for test in paired_file(report, pairs)], indent=2)
        files = {"comparison.json": json.dumps(plain, indent=2) + "\n", "comparison.csv": table, "paired.json": paired + "\n"}
        written = write_files(out, files)
    if as_json:
        print_json(plain)
        return
    _print(report)
    print_notes(report.warnings)
    if written:
        typer.echo("\n" + "\n".join(map(str, written)))


def _print(report: object) -> None:
    from ehrbench.correlation.compare import CompareReport
    from ehrbench.terminal.numbers import decimal, ends, p_value
    from ehrbench.terminal.output import print_cautions, print_table

    assert isinstance(report, CompareReport)
    typer.echo(f"A: {report.a}\nB: {report.b}\n")
    rows = [
        (r.task, r.label + ("" if r.higher_is_better else " (lower is better)"), decimal(r.value_a, 4), decimal(r.value_b, 4))
        + ("" if r.difference is None else f"{r.difference:+.4f}", ends(r), r.n, f"{r.n_groups} {r.unit}")
        + (p_value(r.p), p_value(r.p_holm))
        for r in report.rows
    ]
    header = ("task", "metric", "A", "B", "A - B", "95 % interval", "n", "groups", "p", "Holm")
    print_table(header, rows, numbers=(2, 3, 4, 5, 6, 7, 8, 9))
    typer.echo("\np: sign-flip test by patient, two-sided; the interval holds the differences that it does not reject at 5 %.")
    typer.echo("Holm: p adjusted over the rows of this table")
    print_cautions((f"{r.task}, {r.label}", r.caution) for r in report.rows)
    for r in report.rows:
        if r.low is None:
            typer.echo(f"{r.task}, {r.label} has no interval: {r.test.removeprefix('none: ')}")
    for r in report.rows:
        if r.n_only_a or r.n_only_b:
            typer.echo(
                f"{r.task}, {r.label}: B lacks {r.n_only_a} items that A has, A lacks {r.n_only_b} that B has; both values are "
                f"over the {r.n} common items"
            )
        if r.only_a_right is not None:
            typer.echo(f"{r.task}, {r.label}: A alone is right on {r.only_a_right} items, B alone on {r.only_b_right}")
