"""A sweep as tables and a figure: score against window and policy, differences between them, and what refinement changed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from ehrbench.errors import EhrbenchError
from ehrbench.leaderboard.figures import Point as Mark
from ehrbench.leaderboard.figures import context_lines
from ehrbench.leaderboard.svg import alone
from ehrbench.leaderboard.text import tokens
from ehrbench.scoring.loaded import load_run
from ehrbench.studies.numbers import marks, number
from ehrbench.studies.revisions import Revision, revisions
from ehrbench.studies.sweep import Point, Sweep
from ehrbench.studies.tables import Table
from ehrbench.terminal.numbers import p_value

_STYLE = (
    "svg{background:#fff;fill:#1c1d1f;font:12px system-ui,sans-serif}path{fill:none}circle{r:3.5px}"
    ".tick,.note{fill:#5a5d63;font-size:11px}.axis{stroke:#5a5d63}.grid{stroke:#dcdcd6}.line{stroke-width:1.8}"
    ".dash{stroke-dasharray:5 3}.area{stroke:none;opacity:.1}.mark{stroke:none}"
    + "".join(
        f".c{k}{{stroke:{colour}}}.mark.c{k},.area.c{k},.t{k}{{fill:{colour}}}"
        for k, colour in enumerate(["#0b5c8a", "#9a3b00", "#1d6b34", "#7a2f8f", "#6b5a00", "#a11a4b", "#3c4a8f"])
    )
)


def sweep_tables(sweep: Sweep, data_dir: str | None = None) -> list[Table]:
    """The points, the differences, and one table of each run that showed records in parts."""
    found = [_points(sweep)]
    if sweep.differences or sweep.notes:
        found.append(_differences(sweep))
    return [*found, *_revised(sweep, data_dir)]


def file_part(sweep: Sweep) -> str:
    """What the names of a sweep's files begin with."""
    return f"{sweep.task}-{sweep.protocol}"


def sweep_figure(sweep: Sweep) -> str | None:
    """Score against window as an SVG file; None where no model has two points with a window and a value."""
    marks: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    span = (0.0, 1.0)
    for point in sweep.points:
        if point.metric.value is not None and point.window:
            name, metric, policy = point.line.name, point.metric, point.line.policy
            marks[name, policy].append(Mark(name, point.window, metric.value or 0.0, metric.low, metric.high, policy))
            span = metric.range
    drawing = context_lines(marks, span)
    return None if drawing is None else alone(drawing, _STYLE)


def _label(sweep: Sweep) -> str:
    return sweep.points[0].metric.label


def _points(sweep: Sweep) -> Table:
    priced = any(point.run.result.usage.cost for point in sweep.points)
    header = ["model", "policy", "window", _label(sweep), "items", "record seen", "calls per item", "prompt tokens per item"]
    header += ["answer tokens per item", *(["cost, USD"] if priced else [])]
    rows, records, notes = [], [], [f"{sweep.protocol} protocol; in brackets: 95 % intervals; record seen: median share"]
    for point in sweep.points:
        result, context = point.run.result, point.run.result.context
        n, usage = result.n_items or 1, result.usage
        seen = context.share_seen_median if context else None
        per_item = [usage.calls / n, usage.prompt_tokens / n, usage.answer_tokens / n]
        rows.append(
            [
                *(point.line.name, point.line.policy, tokens(point.window), number(point.metric) or "–", str(result.n_items)),
                *("" if seen is None else f"{seen:.0%}", f"{per_item[0]:.1f}", f"{per_item[1]:,.0f}", f"{per_item[2]:,.0f}"),
                *([f"{usage.cost:.2f}" if usage.cost is not None else ""] if priced else []),
            ]
        )
        metric = point.metric
        records.append(
            [
                *(sweep.task, sweep.protocol, point.line.name, point.line.policy, point.window, metric.name),
                *(metric.value, metric.low, metric.high, metric.n, seen, *per_item, usage.cost, point.reason),
            ]
        )
        if point.reason:
            notes.append(f"{_place(point)}: no value ({point.reason})")
        if metric.caution:
            notes.append(f"! {metric.caution}")
    results = [point.run.result for point in sweep.points]
    notes += marks(any(result.synthetic for result in results), any(result.partial for result in results))
    fields = ["task", "protocol", "model", "policy", "window", "metric", "value", "low", "high", "n", "share_seen_median"]
    fields += ["calls_per_item", "prompt_tokens_per_item", "answer_tokens_per_item", "cost", "missing"]
    numbers = frozenset(range(2, len(header)))
    title = f"{sweep.task} by window and policy"
    return Table(f"{file_part(sweep)}-points", title, header, rows, numbers, list(dict.fromkeys(notes)), (fields, records))


def _differences(sweep: Sweep) -> Table:
    header = ["model", "from", "to", "difference", "95 % interval", "items", "p", "Holm"]
    notes = [f"{_label(sweep)} of the second less that of the first, on the items that both answered"]
    notes += ["p: sign-flip test by patient, two-sided; Holm: over this table", *sweep.notes]
    rows, records = [], []
    for first, second, found in sweep.differences:
        ends = "" if found.low is None or found.high is None else f"{found.low:+.4f} to {found.high:+.4f}"
        difference = "" if found.difference is None else f"{found.difference:+.4f}"
        places = [f"{one.line.policy}, {tokens(one.window)}" for one in (first, second)]
        mark = "!" if found.caution and ends else ""
        rows.append([first.line.name, *places, difference, ends + mark, str(found.n), p_value(found.p), p_value(found.p_holm)])
        sides = [first.line.policy, first.window, second.line.policy, second.window]
        numbers = [found.difference, found.low, found.high, found.n, found.p, found.p_holm, found.test, found.caution]
        records.append([sweep.task, sweep.protocol, first.line.name, found.metric, *sides, *numbers])
        if found.caution:
            notes.append(f"! {found.caution}")
    fields = ["task", "protocol", "model", "metric", "policy_from", "window_from", "policy_to", "window_to", "difference"]
    fields += ["low", "high", "n", "p", "p_holm", "test", "caution"]
    title = f"{sweep.task}: does more of the record help?"
    columns = frozenset(range(3, len(header)))
    return Table(f"{file_part(sweep)}-differences", title, header, rows, columns, list(dict.fromkeys(notes)), (fields, records))


def _revised(sweep: Sweep, data_dir: str | None) -> Iterator[Table]:
    header = ["parts", "answers", "changed", "better", "worse", "mean change"]
    fields = ["task", "protocol", "model", "policy", "window", "metric", "parts", "n", "changed", "better", "worse"]
    fields += ["mean_change", "low", "high", "caution"]
    for point in sweep.points:
        context = point.run.result.context
        if context is None or context.steps_mean <= 1:
            continue
        title, name = (
            f"What refinement changed: {_place(point)}",
            f"{file_part(sweep)}-revisions-{re.sub('[^A-Za-z0-9.]+', '-', _place(point))}",
        )
        notes = ["each answer on the way is scored as if it were the last; better and worse: by score, of those that changed"]
        try:
            found = revisions(load_run(point.run.folder, data_dir), sweep.metric)
        except EhrbenchError as error:
            notes.append(f"not known: {error}")
            found = []
        if not found and len(notes) == 1:
            notes.append(f"not known: {_label(sweep)} does not score single answers")
        place = [sweep.task, sweep.protocol, point.line.name, point.line.policy, point.window, sweep.metric]
        rows = [_revision_row(one) for one in found]
        records = [
            [*place, one.part, one.n, one.changed, one.better, one.worse, one.change.value, one.change.low, one.change.high]
            + [one.change.caution]
            for one in found
        ]
        notes += list(dict.fromkeys(f"! {one.change.caution}" for one in found if one.change.caution))
        yield Table(name, title, header, rows, frozenset(range(1, 6)), notes, (fields, records))


def _revision_row(one: Revision) -> list[str]:
    change = one.change
    ends = "" if change.low is None or change.high is None else f" [{change.low:+.4f}, {change.high:+.4f}]"
    mean = "" if change.value is None else f"{change.value:+.4f}{ends}{'!' if change.caution and ends else ''}"
    return [one.part, str(one.n), str(one.changed), str(one.better), str(one.worse), mean]


def _place(point: Point) -> str:
    return f"{point.line.name}, {point.line.policy}, {tokens(point.window)}"
