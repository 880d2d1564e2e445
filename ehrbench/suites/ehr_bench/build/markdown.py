"""A sample's context in EHR-R1's markdown (protocol page, section 3.1)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.merge import Event, Patient
from ehrbench.suites.ehr_bench.build.profile import BuildProfile
from ehrbench.suites.ehr_bench.build.sample import Sample
from ehrbench.suites.ehr_bench.build.shown import shown_positions

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNMAPPED = "None"
_MISSING = "nan"


def context_text(patient: Patient, sample: Sample, profile: BuildProfile) -> str:
    """The patient's block, the earlier discharge note, the admission's header and the window's events, with blank lines between.

    A header that is not shown and a table without a layout leave an empty block, as in the release.
    """
    events = patient.events
    blocks = [event_block(patient, events[0])]
    blocks.append(event_block(patient, events[sample.discharge]) if sample.discharge is not None else "")
    admitted = sample.admission if sample.task != "admissions" else None
    blocks.append(event_block(patient, events[admitted]) if admitted is not None else "")
    blocks += [event_block(patient, events[position]) for position in shown_positions(patient, sample, profile)]
    return "\n\n".join(blocks)


def event_block(patient: Patient, event: Event) -> str:
    """One event: lines for a single row, a table for several."""
    source = SOURCES.get(event.table)
    if source is None or not source.title:
        return ""
    header = f"## {source.title} [{time_text(event.start) if event.start is not None else None}]\n"
    columns = [_values(patient, event, column) for _, column in source.shown]
    keys = [key for key, _ in source.shown]
    if len(event.rows) == 1:
        return header + "\n".join(f"- {key}: {values[0]}" for key, values in zip(keys, columns, strict=True))
    lines = [_line(keys), _line(["------"] * len(keys))]
    lines += [_line([values[row] for values in columns]) for row in range(len(event.rows))]
    return header + "\n".join(lines)


def time_text(seconds: int) -> str:
    """Seconds since 1970 as ``YYYY-MM-DD HH:MM:SS``; MIMIC's shifted years are no hindrance."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")


def _values(patient: Patient, event: Event, column: str) -> list[str]:
    if column == "=none":
        return [_UNMAPPED] * len(event.rows)
    missing = _UNMAPPED if column.startswith("=") else _MISSING
    return [_text(value, missing) for value in patient.values(event, column)]


def _text(value: Any, missing: str) -> str:
    return missing if value is None else str(value)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
