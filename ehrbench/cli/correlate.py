"""``ehrbench correlate``: which metric agrees with people?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ehrbench.correlation.correlate import CorrelationReport
    from ehrbench.correlation.human import HumanReport


def correlate(
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
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="Scores of judges or metrics: a table with the columns item, system, metric and score; repeatable."),
    ] = None,
    runs: Annotated[
        list[Path] | None, typer.Option(help="Run folders, or folders above them: each run is a system; repeatable.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Metrics, separated by commas. [default: the task's, or all there are]")
    ] = None,
    metric_arg: Annotated[
        list[str] | None, typer.Option("--metric-arg", help="Argument of a metric, as comet.checkpoint=PATH; repeatable.")
    ] = None,
    lower_is_better: Annotated[
        str | None, typer.Option(help="Metrics of --scores for which a lower score is better, separated by commas.")
    ] = None,
    tau: Annotated[str, typer.Option(help="Variant of Kendall's tau: b, c, a or wmt.")] = "b",
    nan_policy: Annotated[
        str, typer.Option(help="What to do with items whose tau is undefined: exclude, mixed or zero.")
    ] = "exclude",
    triples: Annotated[
        str | None,
        typer.Option(help="How to treat items that several people ranked: used, mean-rank or each. [default: used where marked]"),
    ] = None,
    gold: Annotated[
        str, typer.Option(help="Gold answers of a release: first (the first annotator's) or max (the highest score over all).")
    ] = "first",
    resample: Annotated[
        str, typer.Option(help="What intervals generalise over: items, patients, or both (items and systems).")
    ] = "items",
    resamples: Annotated[
        int, typer.Option(min=100, help="Number of random sign patterns and permutations of the tests.")
    ] = 10_000,
    level: Annotated[
        str, typer.Option(help="Level of agreement: item, or model (soft pairwise accuracy of the systems' means).")
    ] = "item",
    seed: Annotated[int, typer.Option(help="Seed for the tests.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write JSON, CSV and the plot into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare metrics' and judges' rankings of answers with people's, item by item, with intervals and tests between metrics."""
    from ehrbench.cli.correlation_options import parse_options
    from ehrbench.correlation.correlate import correlate as compute
    from ehrbench.correlation.human import human_stats
    from ehrbench.correlation.output import correlation_result
    from ehrbench.correlation.sources import about, collect_scores, open_ratings
    from ehrbench.correlation.write import write_correlation
    from ehrbench.errors import UsageError
    from ehrbench.metrics.arguments import parse_arguments
    from ehrbench.runs.manifest import command_line
    from ehrbench.terminal.output import print_json

    options = parse_options(
        tau=tau, nan_policy=nan_policy, triples=triples, unit=resample, resamples=resamples, level=level, seed=seed
    )
    if gold not in ("first", "max"):
        raise UsageError(f"--gold is '{gold}': expected first or max")
    source = open_ratings(task, data_dir, ratings, "first" if gold == "first" else "max")
    source, found = collect_scores(
        source,
        _names(metrics),
        scores or (),
        runs or (),
        _names(lower_is_better) or (),
        parse_arguments(metric_arg or ()),
    )
    report = compute(source.rankings, found, options)
    people = human_stats(source.rankings, options)
    described = about(source, options, command_line(), report.triples)
    written = []
    if out is not None:
        written = write_correlation(out, report, people, described)
    if as_json:
        print_json(correlation_result(report, described).model_dump(mode="json"))
        return
    print_report(report, people)
    if written:
        typer.echo("\n" + "\n".join(map(str, written)))


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def print_report(report: CorrelationReport, people: HumanReport) -> None:
    """Print the tables."""
    from ehrbench.cli.correlation_options import print_notes
    from ehrbench.correlation.options import NAN_POLICIES
    from ehrbench.terminal.numbers import decimal, ends, p_value
    from ehrbench.terminal.output import print_cautions, print_table

    typer.echo(
        f"{report.n_items} items, {len(report.systems)} systems, {report.n_rankings} rankings ('{report.triples}' counts where "
        "several people ranked)"
    )
    typer.echo(f"Statistic: {report.statistic}; 95 % intervals: {report.interval}; they speak of {report.population}\n")
    if report.options.level == "model":
        _print_model_level(report)
    policies = [p for p in NAN_POLICIES if p != report.options.nan_policy]
    rater = report.inter_rater
    rows = [
        (
            m.label,
            decimal(m.value.value),
            ends(m.value),
            f"{decimal(m.value.normal_low)} to {decimal(m.value.normal_high)}",
            m.value.n,
        )
        + (m.cluster, *(decimal(m.policies[p]) for p in policies), m.n_human_constant, m.n_metric_constant, m.n_too_few)
        for m in report.metrics
    ]
    normal = "" if rater.value is None else f"{decimal(rater.normal_low)} to {decimal(rater.normal_high)}"
    rows.append(("between raters", decimal(rater.value), ends(rater), normal, rater.n, "", *("" for _ in policies), "", "", ""))
    header: tuple[str, ...] = ("metric", f"tau-{report.options.tau}", "interval", "normal interval", "n", "cluster")
    header += (*(f"({p})" for p in policies), "people equal", "metric equal", "too few")
    print_table(header, rows, numbers=(1, 2, 3, 4, *range(6, 6 + len(policies) + 3)))
    typer.echo(
        f"\nMetrics that share a cluster cannot be told from its best on {report.letters}; of other items or systems the\n"
        "letters say nothing. Undefined items are counted on the right; "
        f"'{report.options.nan_policy}' decides on them, the means\nunder the other rules stand in brackets."
    )
    print_cautions((m.label, m.value.caution) for m in report.metrics)
    typer.echo()
    variants = [
        (m.label, *(decimal(m.variants[v]) for v in ("b", "c", "a", "wmt")), decimal(m.accuracy.value), ends(m.accuracy))
        + (f"{m.epsilon_star:.4g}", decimal(m.acc_star), f"{m.calibration.epsilon:.4g}", decimal(m.in_sample))
        + (decimal(m.calibrated.value), ends(m.calibrated))
        + (decimal(m.length.value) if m.length else "", ends(m.length))
        for m in report.metrics
    ]
    if report.human_length is not None:
        variants.append(("people", *[""] * 12, decimal(report.human_length.value), ends(report.human_length)))
    header = ("metric", "tau-b", "tau-c", "tau-a", "WMT", "accuracy", "interval", "epsilon*", "acc*eq", "epsilon", "calibrated")
    print_table((*header, "held out", "interval", "length", "interval"), variants, numbers=range(1, 15))
    typer.echo("\naccuracy: pairwise, with ties; acc*eq: differences up to epsilon* called ties, chosen by all items (Deutsch et")
    typer.echo("al. 2023); calibrated: ours, chosen by the items on which people prefer something, on the same items and held")
    typer.echo("out; length: Kendall tau-b of score and answer length")
    if report.tests.pairs:
        names = [m.label for m in report.metrics]
        typer.echo(f"\nDifferences between metrics: interval and p of one sign-flip test, of {report.population};")
        typer.echo(
            f"PERM-BOTH, another question: of {report.letters.partition(' (')[0]}, {report.tests.permutations} permutations\n"
        )
        pairs = [
            (f"{names[p.a]} - {names[p.b]}", decimal(p.difference), ends(p), p.n)
            + tuple(map(p_value, (p.p, p.p_holm, p.p_permutation, p.p_permutation_holm)))
            for p in report.tests.pairs
        ]
        header = ("pair", "difference", "interval", "n", "p", "Holm", "PERM-BOTH", "Holm")
        print_table(header, pairs, numbers=range(1, 8))
    place = {name: k for k, name in enumerate(report.systems)}
    rates = [
        (
            s.name,
            decimal(s.win_rates["excluded"].value),
            *(decimal(m.win_rates["excluded"][place[s.name]]) for m in report.metrics),
        )
        for s in people.systems
    ]
    typer.echo("\nWin rates, ties left out, by people and by each metric")
    print_table(("system", "people", *(m.label for m in report.metrics)), rows=rates, numbers=range(1, 2 + len(report.metrics)))
    print_notes(report.notes)


def _print_model_level(report: CorrelationReport) -> None:
    from ehrbench.terminal.numbers import decimal, ends
    from ehrbench.terminal.output import print_table

    rows = [
        (m.label, decimal(level.soft.accuracy), ends(level), level.soft.n_items, decimal(level.tau))
        for m in report.metrics
        if (level := m.model_level) is not None
    ]
    print_table(("metric", "soft pairwise accuracy", "interval", "n", "tau of means"), rows, numbers=range(1, 5))
    typer.echo(f"\n{len(report.systems)} systems make few pairs: tau of means takes few distinct values\n")
