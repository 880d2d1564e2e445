"""Emergency stays and their outcomes, from the ``master_dataset.csv`` of nliulab/mimic4ed-benchmark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.table import table_rows
from ehrbench.suites.meds_bench.build.release import Draw, Instance


class Columns(NamedTuple):
    """Some columns of the table, in its order."""

    pattern: str
    n: int | None = 1
    """How many there must be; None: at least one."""


_PATIENT = (Columns("age"), Columns("gender"), Columns(r"n_(?:ed|hosp|icu)_\d+d", 9))
_VITALS = tuple(Columns(f"triage_{name}") for name in ("temperature", "heartrate", "resprate", "o2sat", "sbp", "dbp"))
_HISTORY = (
    *(Columns("triage_pain"), Columns("triage_acuity")),
    *(Columns(r"chiefcom_\w+", 10), Columns(r"cci_\w+", 17), Columns(r"eci_\w+", 18)),
)
_STAY = (Columns(r"ed_\w+_last", None), Columns("ed_los"), Columns("n_med"), Columns("n_medrecon"))


class Outcome(NamedTuple):
    """One of the three tasks."""

    file: str
    column: str
    inputs: tuple[Columns, ...]
    """In their fixed order."""
    definition: str


OUTCOMES = {
    "hospitalization": Outcome(
        "Clinical_outcome_prediction/task117_mimic4ed_benchmark_hospitalization.json",
        "outcome_hospitalization",
        (*_PATIENT, *_VITALS, *_HISTORY),
        "Given a patient's data at triage in the emergency department, say whether the patient is admitted to the hospital. "
        "Answer with True or False.",
    ),
    "ed_revisit_72h": Outcome(
        "Clinical_outcome_prediction/task118_mimic4ed_72h_ed_revisit_disposition.json",
        "outcome_ed_revisit_3d",
        (*_PATIENT, *_HISTORY, *_STAY),
        "Given a patient's data at the end of an emergency stay, say whether the patient comes back to the emergency department "
        "within 72 hours. Answer with True or False.",
    ),
    "critical_triage": Outcome(
        "Clinical_outcome_prediction/task119_mimic4ed_benchmark_critical_triage.json",
        "outcome_critical",
        (*_PATIENT, *_VITALS, *_HISTORY),
        "Given a patient's data at triage in the emergency department, say whether the stay has a critical outcome: death in the "
        "hospital or a transfer to intensive care within 12 hours. Answer with True or False.",
    ),
}
_TRUTH = {"true": "True", "1": "True", "1.0": "True", "false": "False", "0": "False", "0.0": "False"}


def read_stays(table: Path, n: int, seed: int) -> dict[str, list[Instance]]:
    """Draw stays for each outcome, half of them with it and half without, mixed in the order of the draw.

    Args:
        table: ``master_dataset.csv``, or the test part of it.
        n: stays an outcome.
        seed: of the draw.

    Raises:
        MissingError: the table is not there.
        UsageError: a column is missing, or an outcome is neither true nor false; the message names file and row.
    """
    if not table.is_file():
        raise MissingError(f"{table} is not there; expected master_dataset.csv of nliulab/mimic4ed-benchmark")
    draws = {(name, truth): Draw[Instance](n // 2, seed, name) for name in OUTCOMES for truth in ("True", "False")}
    header, rows, _ = table_rows(table, "the table of stays")
    at = {name: index for index, name in enumerate(header)}
    chosen = {name: [at[c] for c in _columns(table, header, outcome)] for name, outcome in OUTCOMES.items()}
    for number, _, row in rows:
        key = row[at["stay_id"]] if "stay_id" in at else str(number)
        group = f"patient {row[at['subject_id']]}" if "subject_id" in at else None
        for name, outcome in OUTCOMES.items():
            truth = _TRUTH.get(row[at[outcome.column]].strip().lower())
            if truth is None:
                raise UsageError(f"{table}: row {number}: '{outcome.column}' is neither True nor False")
            text = "\n".join(f"{header[index]}: {row[index] or 'nan'}" for index in chosen[name])
            draws[name, truth].add(key, Instance(text, truth, group=group))
    mixed: dict[str, list[Instance]] = {}
    for name in OUTCOMES:
        pairs = zip(draws[name, "True"].result(), draws[name, "False"].result(), strict=False)
        mixed[name] = [one for pair in pairs for one in pair]
    return mixed


def _columns(table: Path, header: Sequence[str], outcome: Outcome) -> list[str]:
    """The names of a task's inputs."""
    found: list[str] = []
    for wanted in outcome.inputs:
        names = [name for name in header if re.fullmatch(wanted.pattern, name)]
        if len(names) != (wanted.n or max(1, len(names))):
            raise UsageError(
                f"{table}:1: {len(names)} columns {wanted.pattern}, where {wanted.n or 'some'} are expected; is it the "
                "master_dataset.csv of nliulab/mimic4ed-benchmark?"
            )
        found += names
    if outcome.column not in header:
        raise UsageError(f"{table}:1: no column {outcome.column}; expected master_dataset.csv of nliulab/mimic4ed-benchmark")
    return found
