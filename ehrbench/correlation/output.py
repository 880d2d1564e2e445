"""The reports as files: JSON in the shapes the leaderboard reads, every number as CSV, the plot as SVG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ehrbench.correlation.correlate import VARIANTS, CorrelationReport, MetricReport
from ehrbench.correlation.human import TIE_RULES, HumanReport, Share
from ehrbench.correlation.options import NAN_POLICIES
from ehrbench.jsonl import write_atomically
from ehrbench.results.supplements import (
    Correlation,
    HeadToHead,
    HumanStats,
    Interval,
    MetricAgreement,
    Pair,
    SystemJudgement,
)
from ehrbench.stats.item_means import MeanInterval
from ehrbench.stats.win_rates import HeadToHead as Pairings
from ehrbench.tables import to_csv


@dataclass(frozen=True)
class About:
    """What a report is about and how it was made."""

    task: str
    suite: str
    title: str = ""
    synthetic: bool = False
    signature: str = ""
    command: str = ""
    caveats: tuple[str, ...] = ()


def correlation_result(report: CorrelationReport, about: About) -> Correlation:
    """What the leaderboard shows of metrics beside people."""
    model_level = report.options.level == "model"
    metrics = [_agreement(one, model_level) for one in report.metrics]
    return Correlation(
        task=about.task,
        suite=about.suite,
        title=about.title,
        statistic=report.statistic,
        span=(0.0, 1.0) if model_level else (-1.0, 1.0),
        interval="normal, jackknife over clusters" if model_level else report.interval,
        population=report.population,
        letters="" if model_level else report.letters,
        n_items=report.n_items,
        n_systems=len(report.systems),
        metrics=[one for one in metrics if one is not None],
        inter_rater=None if model_level else _interval(report.inter_rater),
        synthetic=about.synthetic,
        signature=about.signature,
        command=about.command,
        caveats=[*about.caveats, *report.notes],
    )


def human_result(report: HumanReport, about: About, correlation: CorrelationReport | None = None) -> HumanStats:
    """What the leaderboard shows of people's judgement; with a correlation, its metrics' pairings stand beside the people's."""
    matrices = [HeadToHead(judge="clinicians", label="Clinicians", pairs=_pairs(report.pairings, report.names))]
    for metric in correlation.metrics if correlation else ():
        pairs = _pairs(metric.pairings, correlation.systems if correlation else ())
        matrices.append(HeadToHead(judge=metric.name, label=metric.label, pairs=pairs))
    return HumanStats(
        task=about.task,
        suite=about.suite,
        title=about.title,
        interval=report.interval,
        n_items=report.n_items,
        n_raters=report.n_raters,
        systems=[
            SystemJudgement(
                name=system.name,
                correct=_share(system.correct),
                win_rate=_share(system.win_rates["excluded"]),
                mean_rank=_interval(system.mean_rank),
            )
            for system in report.systems
        ],
        head_to_head=matrices,
        inter_rater=_interval(report.inter_rater),
        synthetic=about.synthetic,
        signature=about.signature,
        command=about.command,
        caveats=[*about.caveats, *report.notes],
    )


def _agreement(metric: MetricReport, model_level: bool) -> MetricAgreement | None:
    value = metric.value
    note = ", ".join(
        f"{n} {what}"
        for n, what in (
            (metric.n_human_constant, "rankings without a preference of people"),
            (metric.n_metric_constant, "with one score for all"),
            (metric.n_too_few, "with fewer than two systems"),
        )
        if n
    )
    undefined = metric.n_human_constant + metric.n_metric_constant + metric.n_too_few
    if model_level:
        level = metric.model_level
        if level is None or np.isnan(level.soft.accuracy):
            return None
        soft = level.soft
        return MetricAgreement(
            name=metric.name,
            label=metric.label,
            value=soft.accuracy,
            low=level.low,
            high=level.high,
            n=soft.n_items,
            n_undefined=soft.n_left_out,
            note=note,
        )
    if value.value is None:
        return None
    return MetricAgreement(
        name=metric.name,
        label=metric.label,
        value=value.value,
        low=value.low,
        high=value.high,
        n=value.n,
        n_undefined=undefined,
        caution=value.caution,
        cluster=metric.cluster,
        note=note,
    )


def _interval(one: MeanInterval) -> Interval | None:
    if one.value is None:
        return None
    return Interval(value=one.value, low=one.low, high=one.high, n=one.n, caution=one.caution)


def _share(one: Share | None) -> Interval | None:
    return None if one is None or one.value is None else Interval(value=one.value, low=one.low, high=one.high, n=one.n)


def _pairs(pairings: Pairings, names: Sequence[str]) -> list[Pair]:
    return [
        Pair(a=a, b=b, wins=float(pairings.wins[i, j]), ties=float(pairings.ties[i, j]), n=int(pairings.n[i, j]))
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i != j and pairings.n[i, j]
    ]


def metrics_csv(report: CorrelationReport) -> str:
    """One line per metric, every number."""
    header = ["metric", "label", "cluster", *_columns("tau"), *(f"tau_{p}" for p in NAN_POLICIES)]
    header += ["n_human_constant", "n_metric_constant", "n_too_few", *(f"mean_{v}" for v in VARIANTS), *_columns("acc_eq")]
    header += ["epsilon_star", "acc_eq_star", "epsilon", "acc_calibrated", *_columns("acc_held_out"), *_columns("length")]
    header += ["model_tau", "soft_pairwise_accuracy", "soft_low", "soft_high", "soft_n", "signature"]
    rows: list[Sequence[object]] = []
    for m in report.metrics:
        tie, level = m.calibration, m.model_level
        rows.append(
            [m.name, m.label, m.cluster, *m.value[:6], *(m.policies[p] for p in NAN_POLICIES)]
            + [m.n_human_constant, m.n_metric_constant, m.n_too_few, *(m.variants[v] for v in VARIANTS), *m.accuracy[:6]]
            + [m.epsilon_star, m.acc_star, tie.epsilon, m.in_sample, *m.calibrated[:6], *(m.length or [None] * 6)[:6]]
            + ([level.tau, level.soft.accuracy, level.low, level.high, level.soft.n_items] if level else [None] * 5)
            + [m.signature]
        )
    rater = report.inter_rater[:6]
    blank = [None] * (len(header) - 3 - len(rater))
    rows.append(["between raters", "between raters", None, *rater, *blank])
    return to_csv(header, rows)


def pairs_csv(report: CorrelationReport) -> str:
    """One line a pair of metrics, with its tests."""
    header = ["a", "b", "difference", "low", "high", "n", "p", "p_perm_both", "p_holm", "p_perm_both_holm"]
    names = [m.name for m in report.metrics]
    return to_csv(header, ([names[pair.a], names[pair.b], *pair[2:]] for pair in report.tests.pairs))


def systems_csv(report: HumanReport) -> str:
    """One line per system, every number."""
    header = ["system", "correct", "correct_low", "correct_high", "n_judged", "n_correct", *_columns("mean_rank")]
    for rule in TIE_RULES:
        header += [f"win_rate_{rule}", f"win_rate_{rule}_low", f"win_rate_{rule}_high", f"win_rate_{rule}_n"]
    rows: list[Sequence[object]] = []
    for s in report.systems:
        rows.append(
            [s.name, *(s.correct or [None] * 4), s.n_correct if s.correct else None]
            + [*s.mean_rank[:6], *(x for rule in TIE_RULES for x in s.win_rates[rule])]
        )
    return to_csv(header, rows)


def win_rates_csv(human: HumanReport, report: CorrelationReport) -> str:
    """One line per judge (people, each metric) and system: the win rate under the three rules for ties."""
    rows: list[Sequence[object]] = [
        ("clinicians", system.name, *(system.win_rates[rule].value for rule in TIE_RULES)) for system in human.systems
    ]
    for metric in report.metrics:
        for k, name in enumerate(report.systems):
            rows.append((metric.name, name, *(metric.win_rates[rule][k] for rule in TIE_RULES)))
    return to_csv(("judge", "system", *TIE_RULES), rows)


def head_to_head_csv(human: HumanStats) -> str:
    """One line an ordered pair of systems and judge."""
    rows = ([m.judge, p.a, p.b, p.wins, p.ties, p.n] for m in human.head_to_head for p in m.pairs)
    return to_csv(["judge", "a", "b", "wins", "ties", "n"], rows)


def _columns(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high", f"{name}_normal_low", f"{name}_normal_high", f"{name}_n"]


def to_json(part: Correlation | HumanStats) -> str:
    """Canonical JSON, as results are written, with a digest that tells a later change."""
    return json.dumps(part.sealed().model_dump(mode="json"), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_files(out: Path, files: dict[str, str]) -> list[Path]:
    """Write the files of a report into a folder, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomically(out / name, text.encode("utf-8"))
    return [out / name for name in files]


def plot(correlation: Correlation) -> str | None:
    """The leaderboard's figure of metrics beside the band of the raters, as a file of its own; None without metrics."""
    from ehrbench.leaderboard.figures import caterpillar
    from ehrbench.leaderboard.svg import alone

    figure = caterpillar(correlation)
    return None if figure is None else alone(figure, _STYLE)


_STYLE = (
    "svg{background:#fdfdfb;fill:#1c1d1f;font:12px system-ui,sans-serif;color-scheme:light}"
    "text{paint-order:stroke;stroke:#fdfdfb;stroke-width:3px}circle{r:3.5px}path{fill:none}"
    ".tick,.note{fill:#5a5d63;font-size:11px}.value{font-weight:600}.axis{stroke:#5a5d63}.grid{stroke:#dcdcd6}"
    ".bar{stroke:#0b5c8a;stroke-width:2}.dot{fill:#0b5c8a}.band{fill:#8a4b08;opacity:.16}"
    ".ceiling{stroke:#8a4b08;stroke-width:1.5;stroke-dasharray:5 3}"
)
