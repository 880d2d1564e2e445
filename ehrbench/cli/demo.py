"""``ehrbench demo``: the whole way from models to a leaderboard, on synthetic data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the demonstration.")] = Path("ehrbench-demo"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run baselines and imaginary models on the synthetic sample, score them, set them beside its clinicians, build the site."""
    from ehrbench.assets import asset_dir
    from ehrbench.leaderboard.build import build
    from ehrbench.suites.demo import correlate_sample, rate_sample, run_demo, run_other_suites, run_windows
    from ehrbench.terminal.output import print_json, print_table
    from ehrbench.terminal.progress import Display

    runs = []
    with Display(quiet) as show:
        for run in run_demo(out, show):
            runs.append(run)
            if not as_json:
                typer.echo(f"{run.result.model.name}: {run.result.n_items} items scored", err=True)
        more = [*run_windows(out, show), *run_other_suites(out, show)]
    agreement = correlate_sample(out)
    study = rate_sample(out)
    built = build([out / "results", asset_dir("published")], out / "site")
    index = out / "site" / "index.html"
    if as_json:
        results = [run.result.model_dump(mode="json") for run in (*runs, *more)]
        print_json({"index": str(index), "study": str(study), "results": results})
        return
    names = [metric.name for metric in runs[0].result.metrics if metric.value is not None]
    labels = [runs[0].result.metric(name).label for name in names]  # type: ignore[union-attr]
    ranked = sorted(runs, key=lambda run: -(getattr(run.result.metric(names[0]), "value", None) or 0))
    rows = [[run.result.model.name, *(_cell(run.result.metric(name)) for name in names)] for run in ranked]
    typer.echo("\nMedAlign on the synthetic sample: value and 95 % interval by patient\n")
    print_table(("model", *labels), rows, numbers=range(1, len(names) + 1))
    for metric in runs[0].result.metrics:
        if metric.missing:
            typer.echo(f"\n{metric.label}: {metric.missing}")
    typer.echo(f"\nAgreement with the sample's invented clinicians: {agreement.statistic}, {agreement.n_items} items\n")
    taus = [(m.label, _cell(m.value), m.cluster) for m in agreement.metrics]
    print_table(("metric", "tau", "cluster"), [*taus, ("between raters", _cell(agreement.inter_rater), "")], numbers=(1,))
    typer.echo(f"\nThe leaderboard ({built.n_pages} pages, the papers' tables beside these runs) opens from the file:\n{index}")
    typer.echo(f"\nA small study, rated by the invented clinicians: ehrbench human-stats --ratings {study}/private/ratings.csv")
    typer.echo(f"\nLook at every item, its record and all answers:\nehrbench view {out}/results")


def _cell(metric: object) -> str:
    value, low, high = (getattr(metric, name, None) for name in ("value", "low", "high"))
    return "" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]" if low is not None else f"{value:.3f}"
