"""The page on metrics and clinicians: tables and head-to-head matrices from supplements, ready for the template."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from ehrbench.leaderboard.figures import caterpillar
from ehrbench.leaderboard.text import interval, number, show
from ehrbench.results.supplements import Correlation, Facts, HeadToHead, HumanStats, Interval, Supplements
from ehrbench.tables import to_csv

Titled = Callable[[str], str]
"""What a suite is called."""


def agreement_views(extra: Supplements, titled: Titled) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Every correlation and every judgement by people as the template shows them, and the files to download."""
    views: dict[str, list[dict[str, Any]]] = {"correlations": [], "humans": []}
    files: dict[str, str] = {}
    key = operator.attrgetter("synthetic", "suite", "task", "title", "signature")
    for k, table in enumerate(sorted(extra.correlations, key=key), 1):
        place = f"data/correlation-{k}"
        views["correlations"].append(correlation_view(table, titled) | {"id": f"correlation-{k}", "file": place})
        files |= {f"{place}.csv": correlation_csv(table), f"{place}.json": table.model_dump_json(indent=1) + "\n"}
    for k, stats in enumerate(sorted(extra.humans, key=key), 1):
        place = f"data/people-{k}"
        views["humans"].append(human_view(stats, titled) | {"id": f"people-{k}", "file": place})
        files |= {f"{place}.csv": human_csv(stats), f"{place}.json": stats.model_dump_json(indent=1) + "\n"}
    return views, files


def correlation_view(table: Correlation, titled: Titled) -> dict[str, Any]:
    """A correlation as the template shows it."""
    printed = table.source is not None
    return {
        **_head(table, titled),
        "statistic": show(table.statistic, 120),
        "figure": caterpillar(table),
        "rows": [
            {
                "label": show(m.label, 60),
                "name": show(m.name, 60),
                "cell": _number(m, table.span, printed),
                "cluster": show(m.cluster or "", 12),
                "undefined": m.n_undefined,
                "note": show(m.note, 160),
            }
            for m in sorted(table.metrics, key=lambda m: (-m.value, m.label))
        ],
        "ceiling": _number(table.inter_rater, table.span, printed) if table.inter_rater else None,
        "has_cluster": any(m.cluster for m in table.metrics),
    }


def human_view(stats: HumanStats, titled: Titled) -> dict[str, Any]:
    """People's judgement as the template shows it."""
    order = systems_by_wins(stats)
    return {
        **_head(stats, titled),
        "systems": [
            {
                "name": show(system.name, 60),
                "correct": _number(system.correct, (0, 1)),
                "win_rate": _number(system.win_rate, (0, 1)),
                "mean_rank": _number(system.mean_rank, (1, 10)),
            }
            for system in sorted(stats.systems, key=lambda s: (s.mean_rank.value if s.mean_rank else 99.0, s.name))
        ],
        "matrices": [_matrix(matrix, order) for matrix in stats.head_to_head],
        "ceiling": _number(stats.inter_rater, (-1, 1)) if stats.inter_rater else None,
    }


def facts_view(facts: Sequence[Facts], suite: str) -> list[dict[str, Any]]:
    """Facts of one suite's data, by group."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact in (fact for part in facts if part.suite == suite for fact in part.facts):
        groups.setdefault(show(fact.group, 80), []).append(
            {
                "label": show(fact.label, 100),
                "value": _plain(fact.value),
                "unit": show(fact.unit, 40),
                "n": "" if fact.n is None else f"of {fact.n:,}".replace(",", "\u202f"),
                "where": show(f"{fact.source.title}, {fact.source.where}", 120),
                "note": show(fact.note, 200),
            }
        )
    return [{"name": name, "rows": rows} for name, rows in groups.items()]


def worth(tables: Sequence[Correlation], task: str, metric: str) -> str:
    """How far a metric agrees with clinicians on a task, beside what they agree among themselves; empty where nobody looked."""
    for table in sorted(tables, key=lambda t: (t.synthetic, t.title)):
        found = next((m for m in table.metrics if m.name == metric), None)
        if table.task != task or found is None:
            continue
        printed = table.source is not None
        said = f"{show(table.statistic, 80)} {number(found.value, table.span, printed)} with clinicians"
        if table.inter_rater is not None:
            said += f", who agree among themselves at {number(table.inter_rater.value, table.span, printed)}"
        return said + (" (synthetic sample)" if table.synthetic else "")
    return ""


def correlation_csv(table: Correlation) -> str:
    """One line per metric."""
    header = ["task", "statistic", "metric", "label", "value", "low", "high", "n", "n_undefined", "cluster"]
    return to_csv(
        header,
        (
            [table.task, table.statistic, m.name, m.label, m.value, m.low, m.high, m.n, m.n_undefined, m.cluster]
            for m in table.metrics
        ),
    )


def human_csv(stats: HumanStats) -> str:
    """One line an ordered pair and judge."""
    pairs = ((matrix.judge, pair) for matrix in stats.head_to_head for pair in matrix.pairs)
    return to_csv(
        ["task", "judge", "a", "b", "wins", "ties", "n"],
        ([stats.task, judge, pair.a, pair.b, pair.wins, pair.ties, pair.n] for judge, pair in pairs),
    )


def _head(part: Correlation | HumanStats, titled: Titled) -> dict[str, Any]:
    facts = []
    if part.source:
        facts.append(f"{part.source.title}, {part.source.where} ({part.source.status})")
    if part.n_items is not None:
        facts.append(f"{part.n_items} items")
    if isinstance(part, Correlation) and part.n_systems is not None:
        facts.append(f"{part.n_systems} systems")
    if isinstance(part, HumanStats) and part.n_raters is not None:
        facts.append(f"{part.n_raters} raters")
    if part.interval:
        facts.append(f"interval {part.interval}")
    return {
        "title": show(part.title or titled(part.suite), 120),
        "task": part.task,
        "published": part.source is not None,
        "synthetic": part.synthetic,
        "facts": [show(fact, 200) for fact in facts],
        "caveats": [show(caveat) for caveat in part.caveats],
        "signature": show(part.signature, 300),
        "command": show(part.command, 300),
    }


def _number(one: Interval | None, span: tuple[float, float], printed: bool = False) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "value": one.value,
        "text": number(one.value, span, printed),
        "range": interval(one.low, one.high, span, printed),
        "n": "" if one.n is None else f"n {one.n}",
    }


def systems_by_wins(stats: HumanStats) -> list[str]:
    """Systems by the first judge's wins, so that every matrix has the same order."""
    pairs = [pair for matrix in stats.head_to_head for pair in matrix.pairs]
    names = sorted({name for pair in pairs for name in (pair.a, pair.b)})
    first = stats.head_to_head[0].pairs if stats.head_to_head else []
    wins = {name: [p.wins for p in first if p.a == name] for name in names}
    return sorted(names, key=lambda name: (-fmean(wins[name]) if wins[name] else 0.0, name))


def _matrix(matrix: HeadToHead, order: Sequence[str]) -> dict[str, Any]:
    cells = {(pair.a, pair.b): pair for pair in matrix.pairs}
    rows = []
    for a in order:
        row: list[dict[str, str] | None] = []
        for b in order:
            pair = cells.get((a, b))
            if pair is None:
                row.append(None)
                continue
            ties = "" if pair.ties is None else f", ties {pair.ties:.0%}"
            row.append(
                {"text": f"{pair.wins:.2f}", "step": f"h{round(pair.wins * 10)}", "title": f"{pair.wins:.1%} preferred{ties}"}
            )
        rows.append({"name": show(a, 40), "cells": row})
    known = [row for row in rows if any(row["cells"])]
    return {"label": show(matrix.label, 60), "names": [show(b, 40) for b in order], "rows": known}


def _plain(value: float) -> str:
    return f"{value:,.10g}".replace(",", "\u202f").replace("-", "−")
