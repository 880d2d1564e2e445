"""Samples as rows of the two releases: index rows, and serialised rows (protocol page, section 2)."""

from __future__ import annotations

import json
from typing import Any

from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.markdown import context_text, time_text
from ehrbench.suites.ehr_bench.build.merge import Patient
from ehrbench.suites.ehr_bench.build.profile import BuildProfile
from ehrbench.suites.ehr_bench.build.sample import HOURS, Sample
from ehrbench.suites.ehr_bench.build.shown import banned_tables, shown_positions
from ehrbench.suites.ehr_bench.sample import DECISION, RISK

_BEGIN = "Given the sequence of events that have occurred in a hospital, please "
TASKS: dict[str, tuple[str, ...]] = {"decision_making": tuple(DECISION), "risk_prediction": tuple(RISK)}
"""In the order of the files."""
_RECALL = frozenset(
    {"procedures_icd", "procedures_ccs", "diagnoses_icd", "diagnoses_ccs", "prescriptions", "prescriptions_atc"}
    | {"medrecon", "medrecon_atc", "diagnosis", "diagnosis_ccs"}
)


def instruction(task: str) -> str:
    """The release's wording."""
    if task in RISK:
        return _BEGIN + RISK[task]
    asked = DECISION[task][0] or "event"
    return f"{_BEGIN}give the next {'event' if task == 'next_event' else asked} suggestion for the patients."


def metric_tag(task: str) -> str:
    """The release's name of a task's scorer; ``em`` and ``recall`` are the same one."""
    if task in RISK:
        return "aucroc"
    return "acc" if task == "next_event" else "recall" if task in _RECALL else "em"


def index_row(sample: Sample) -> dict[str, Any]:
    """A row of an index file; missing values are None, and a missing admission is the text ``None``."""
    return {
        "subject_id": sample.subject,
        "hadm_id": str(sample.hadm),
        "task": sample.task,
        "event": sample.event,
        "period_begin": sample.begin,
        "period_end": sample.end,
        "admissions_id": sample.admission,
        "last_discharge_id": sample.discharge,
        "target": json.dumps(sample.target if isinstance(sample.target, str) else list(sample.target), ensure_ascii=False),
    }


def hours_row(sample: Sample) -> dict[str, str]:
    """When a window opens and closes; empty where only positions bound it."""
    return {name: "" if at is None else time_text(at) for name, at in zip(HOURS, (sample.opens, sample.closes), strict=True)}


def serialised_row(patient: Patient, sample: Sample, profile: BuildProfile, split: str | None = None) -> dict[str, Any]:
    """A row as the release has it, less ``idx``; ``task_info`` also says whose it is, in which part, and what its window was."""
    risk = sample.task in RISK
    wording = instruction(sample.task)
    starts = [e.start for e in map(patient.events.__getitem__, shown_positions(patient, sample, profile)) if e.start is not None]
    index = index_row(sample)
    info = {
        "task": sample.task,
        "task_type": "risk_prediction" if risk else "decision_making",
        "event": sample.event,
        "metric": metric_tag(sample.task),
        "target_key": None if risk else _target_key(sample),
        "bid_event": sorted(banned_tables(sample, profile)),
        "instruction": wording,
        "target": index["target"],
        "label": sample.target if isinstance(sample.target, str) else list(sample.target),
        **{
            name: index[name]
            for name in ("subject_id", "hadm_id", "period_begin", "period_end", "admissions_id", "last_discharge_id")
        },
        **({} if split is None else {"split": split}),
        "window": [time_text(min(starts)), time_text(max(starts))] if starts else None,
        "hours": [time_text(sample.opens), time_text(sample.closes)] if sample.opens is not None and sample.closes else None,
    }
    return {
        "instruction": wording,
        "input": context_text(patient, sample, profile),
        "output": "\n".join(sample.labels),
        "candidates": ["yes", "no"] if risk else None,
        "task_info": info,
    }


def _target_key(sample: Sample) -> str | None:
    return next((column.removeprefix("=") for task, column in SOURCES[sample.event].tasks if task == sample.task), None)
