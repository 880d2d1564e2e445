"""The pages of models: who made it, where it stands in the field, what it does better and worse than the rest, every result."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ehrbench.leaderboard.entries import Entry, RowKey
from ehrbench.leaderboard.layout import Section, Slugs, setting_parts
from ehrbench.leaderboard.names import Names
from ehrbench.leaderboard.profile import Spot, profile_chart
from ehrbench.leaderboard.tables import Cell, metric_cell
from ehrbench.leaderboard.text import and_list, show, tokens
from ehrbench.results.models import ModelCard, ModelRegistry

MAX_NAMED = 6
VARIANT, CONFIG, METRIC, OUTCOMES = "Run as", "Configuration", "Metric ", "Outcomes"
TASK, HASH, ITEMS, N = "TASK", "HASH", "ITEMS", "N"
"""Stand for each result's own task, configuration, number of items and number of scored items in what all have in common."""
MIN_FIELD = 4
"""Fewest ranked models for quartiles of a field."""


def model_line(
    name: str, entries: Sequence[Entry], registry: ModelRegistry, suites: Sequence[str], names: Names
) -> dict[str, Any]:
    """A model in the list of all, its suites in the order of ``suites``."""
    kinds = sorted({entry.row.kind for entry in entries})
    card = registry.card(name) or ModelCard(name="?")
    own = sorted({entry.result.suite for entry in entries}, key=suites.index)
    return {
        "label": show(name, 64),
        "kind": kinds[0] if len(kinds) == 1 else "run",
        "kinds": and_list([{"run": "run here", "human": "people"}.get(kind, kind) for kind in kinds]),
        "n": len(entries),
        "n_tasks": len({entry.result.task for entry in entries}),
        "suites": show(", ".join(names.suite_title(suite) for suite in own), 160),
        "organisation": show(card.organisation, 60),
        "parameters": card.parameters,
        "size": size_text(card.parameters) if card.parameters else "",
        "weights": "" if card.open_weights is None else "open" if card.open_weights else "closed",
        "released": card.released.isoformat() if card.released else "",
        "licence": show(card.licence, 60),
    }


def card_view(name: str, registry: ModelRegistry, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """A model's card as lines; what nobody knows is left out."""
    card = registry.card(name) or ModelCard(name="?")
    lines: list[tuple[str, str]] = []
    if card.organisation:
        lines.append(("Organisation", card.organisation))
    if card.parameters:
        lines.append(("Parameters", size_text(card.parameters)))
    if card.open_weights is not None:
        lines.append(("Weights", "open" if card.open_weights else "closed"))
    if card.released:
        lines.append(("Released", card.released.isoformat()))
    if card.licence:
        lines.append(("Licence", card.licence))
    if card.base:
        lines.append(("Made from", card.base))
    revisions = sorted({entry.row.revision for entry in entries if entry.row.revision})
    if revisions:
        lines.append(("Revision", ", ".join(revision[:12] for revision in revisions[:4])))
    backends = sorted({entry.row.backend for entry in entries if entry.row.backend and entry.row.kind == "run"})
    if backends:
        lines.append(("Run with", ", ".join(backends[:4])))
    other = sorted({entry.result.model.name for entry in entries} | set(card.aliases))
    if aliases := [alias for alias in other if alias != name]:
        lines.append(("Also called", ", ".join(aliases[:6])))
    return [(label, show(text, 120)) for label, text in lines]


def size_text(parameters: float) -> str:
    """A number of parameters as people say it."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {name}"
    return f"{parameters:.0f}"


def profiles(name: str, sections: Sequence[Section], names: Names) -> list[dict[str, Any]]:
    """The model against the field, suite by suite: quartiles of every task, and what stands out beyond noise."""
    views = []
    for section in sections:
        keys = [key for key in section.rows if key.name == name and key.kind == "run"]
        for key in keys[:1]:
            spots = _spots(section, key, names)
            if not spots:
                continue
            views.append(
                {
                    "suite": names.suite_title(section.suite),
                    "setting": " · ".join([f"{section.setting.protocol} protocol", *setting_parts(section.setting)]),
                    "id": show(f"{section.suite}-{section.setting.id}", 120),
                    "figure": profile_chart(spots, f"{show(name, 40)}, {names.suite_title(section.suite)}"),
                    "strong": [spot.title for spot in spots if spot.verdict > 0][:MAX_NAMED],
                    "weak": [spot.title for spot in spots if spot.verdict < 0][:MAX_NAMED],
                    "n_strong": sum(spot.verdict > 0 for spot in spots),
                    "n_weak": sum(spot.verdict < 0 for spot in spots),
                    "n": len(spots),
                }
            )
    return views


def _spots(section: Section, key: RowKey, names: Names) -> list[Spot]:
    spots = []
    for column in section.columns:
        own = column.estimates.get(key)
        field = sorted(one.value for other, one in column.estimates.items() if other != key)
        if own is None or len(field) < MIN_FIELD:
            continue
        q1, middle, q3 = (_quantile(field, share) for share in (0.25, 0.5, 0.75))
        verdict = 1 if own.low > middle else -1 if own.high < middle else 0
        spots.append(
            Spot(
                title=names.task(column.task).title,
                value=own.value,
                low=own.low,
                high=own.high,
                quartiles=(q1, middle, q3),
                ends=(field[0], field[-1]),
                span=column.kind.range,
                verdict=verdict if column.higher_is_better else -verdict,
                higher_is_better=column.higher_is_better,
            )
        )
    return spots


def _quantile(values: Sequence[float], share: float) -> float:
    at = share * (len(values) - 1)
    k = int(at)
    return values[k] + (at - k) * (values[min(k + 1, len(values) - 1)] - values[k])


def result_line(entry: Entry, cell: Cell, slug: Slugs, names: Names, common: Mapping[str, str]) -> dict[str, Any]:
    """One result with its provenance; what all of a model's results share stands once on the page."""
    result, metric = entry.result, entry.primary
    badges = [name for name, on in (("published", result.kind == "published"), ("synthetic", result.synthetic)) if on]
    badges += ["partial"] if result.partial else []
    shown = cell if cell.text or cell.missing else metric_cell(metric, entry)
    how = [(k, v) for k, v in provenance(entry) if k == CONFIG or common.get(k) != _template(v, entry)]
    return {
        "kind": result.kind,
        "task": names.task(result.task).title,
        "id": show(result.task, 100),
        "suite": names.suite_title(result.suite),
        "href": f"tasks/{slug['task'][result.task]}.html#{entry.setting.id}",
        "badges": badges,
        "variant": "" if common.get(VARIANT) else show(entry.row.variant(), 100),
        "setting": show(" · ".join([result.protocol, *setting_parts(entry.setting)]), 120),
        "metric": show(metric.label if metric else result.primary, 40),
        "cell": shown,
        "n": shown.n_text.removeprefix("n "),
        "provenance": how,
        "bare": all(k in (CONFIG, OUTCOMES) for k, _ in how),
    }


def shared(entries: Sequence[Entry]) -> dict[str, str]:
    """What all of a model's results have in common: how they were run, and provenance but for what the row says.

    The signature of a metric is common where all results of that metric have it.
    """
    if len(entries) < 2:
        return {}
    lines = [{key: _template(value, entry) for key, value in provenance(entry)} for entry in entries]
    every = {key: value for line in reversed(lines) for key, value in line.items()}
    same = {
        key: value
        for key, value in every.items()
        if key != CONFIG and all(line.get(key, value if key.startswith(METRIC) else None) == value for line in lines)
    }
    variants = {entry.row.variant() for entry in entries}
    return ({VARIANT: show(variants.pop(), 100)} if len(variants) == 1 else {}) | same


def _template(text: str, entry: Entry) -> str:
    """A line of provenance with words in place of what stands in the result's row anyway: its task, its hash, its items."""
    result, metric = entry.result, entry.primary
    text = text.replace(show(result.task), TASK)
    if result.config_hash:
        text = text.replace(result.config_hash, HASH)
    n = metric.n if metric else None
    text = text.replace(f"n:{n}/{result.n_items}", f"n:{N}/{ITEMS}")
    return text if n is None else re.sub(rf"(?<![\w.]){n}(?![\w.])", N, text)


def provenance(entry: Entry) -> list[tuple[str, str]]:
    """How a number was made, line by line."""
    result = entry.result
    lines: list[tuple[str, str]] = []
    if result.source:
        lines.append(("Source", f"{result.source.title}, {result.source.where} ({result.source.status})"))
    if result.model.name != entry.row.name:
        lines.append(("Printed as", result.model.name))
    if result.config_hash:
        lines.append((CONFIG, result.config_hash))
    if result.signature:
        lines.append(("Signature", result.signature))
    if entry.seeds and not entry.hidden:
        lines += [("Value by seed", entry.seeds.text), ("Configurations", ", ".join(entry.seeds.means.config_hashes))]
    metric = entry.primary
    if metric is not None and not entry.hidden:
        lines += [
            (name, text)
            for name, text in (
                ("Interval", metric.interval),
                (METRIC + metric.label, metric.signature),
                ("Note", metric.note),
            )
            if text
        ]
    if result.command:
        lines.append(("Command", result.command))
    if set(result.outcomes) - {"answered"}:
        lines.append((OUTCOMES, ", ".join(f"{name} {n}" for name, n in sorted(result.outcomes.items()) if n)))
    if result.context:
        lines.append(("Context", f"{result.context.policy}, window {tokens(result.context.window)}"))
    if result.approval:
        lines.append(("Approval", ", ".join(f"{key} {value}" for key, value in sorted(result.approval.items()))))
    for key, value in sorted(result.environment.items()):
        lines.append((key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)))
    lines += [("Caveat", caveat) for caveat in result.caveats]
    return [(show(key, 60), show(value)) for key, value in lines]
