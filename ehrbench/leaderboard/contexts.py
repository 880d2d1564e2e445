"""Score against context length: the one place where different windows stand side by side, as a figure and its table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from ehrbench.leaderboard.entries import Entry, choose, over_all
from ehrbench.leaderboard.figures import against_context
from ehrbench.leaderboard.text import interval, number, show, slug, tokens


class _Group(NamedTuple):
    synthetic: bool
    protocol: str
    track: str
    prompt: str
    kind: str
    primary: str


def context_views(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One view a protocol, track and prompt in which some model was run under two windows or policies."""
    groups: dict[_Group, list[Entry]] = defaultdict(list)
    for entry in entries:
        context = entry.result.context
        if context is not None and context.window and entry.primary is not None:
            setting = entry.setting
            kind = entry.result.kind
            group = _Group(setting.synthetic, setting.protocol, setting.track, setting.prompt, kind, entry.result.primary)
            groups[group].append(entry)
    views = []
    for group, own in sorted(groups.items()):
        drawing = against_context(_one_each(own))
        if drawing is None:
            continue
        parts = [f"{group.protocol} protocol", group.track, group.prompt if group.prompt != "default" else ""]
        parts += ["synthetic sample" if group.synthetic else "", "published" if group.kind == "published" else ""]
        title = "Context length: " + " · ".join(part for part in parts if part)
        views.append(
            {
                "id": slug("context-" + "_".join(str(part) for part in group)),
                "title": show(title, 140),
                "figure": drawing,
                **_table(_one_each(own)),
            }
        )
    return views


def _one_each(entries: Sequence[Entry]) -> list[Entry]:
    several: dict[Any, list[Entry]] = defaultdict(list)
    for entry in entries:
        context = entry.result.context
        if context is not None and not entry.hidden:
            several[entry.row, context.policy, context.window].append(entry)
    return [choose(some) for some in several.values()]


def _table(entries: Sequence[Entry]) -> dict[str, Any]:
    heads = sorted({(c.policy, c.window or 0) for e in entries if (c := e.result.context) is not None})
    cells: dict[Any, dict[tuple[str, int], dict[str, Any]]] = defaultdict(dict)
    for entry in entries:
        metric, context = entry.primary, entry.result.context
        if metric is None or metric.value is None or context is None:
            continue
        printed = entry.result.kind != "run"
        shown = over_all(metric, entry.result)
        ends = (
            interval(shown.low, shown.high, metric.range, printed) if metric.low is not None and metric.high is not None else ""
        )
        cells[entry.row][context.policy, context.window or 0] = {
            "value": shown.value,
            "text": number(shown.value, metric.range, printed),
            "range": ends + (" partial" if entry.result.partial else ""),
        }
    return {
        "heads": [{"key": f"{policy}-{window}", "label": show(policy, 30), "sub": tokens(window)} for policy, window in heads],
        "rows": [
            {"name": show(row.name, 64), "cells": [by_head.get(head) for head in heads]}
            for row, by_head in sorted(cells.items(), key=lambda pair: pair[0])
        ],
    }
