"""EHR-Bench in whichever of its two releases is there: serialised JSONL, or patients' files with index tables.

The JSONL is the primary one: its contexts and candidates are frozen (protocol page, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.readers.dataset import Dataset

FILES = {"decision_making": "ehr_bench_decision_making.jsonl", "risk_prediction": "ehr_bench_risk_prediction.jsonl"}
RELEASES = ("jsonl", "parquet")
_OPTIONS = ("task", "type", "candidates", "patient_block", "rendering", "release", "codes", "allow_missing")


def recognises(root: Path, options: Mapping[str, Any]) -> bool:
    """Whether a folder has a release's file of the task's type."""
    from ehrbench.suites.ehr_bench.index import find_index

    kind = str(options.get("type"))
    return kind in FILES and ((root / FILES[kind]).is_file() or find_index(root, kind) is not None)


def read(root: Path, options: Mapping[str, Any]) -> Dataset:
    """Open one task.

    Options:
        task: the task's key in the release (``labevents``).
        type: ``decision_making`` or ``risk_prediction``.
        candidates: ``repaired`` (default: every label that the task's golds use is among the candidates, no NaN) or ``released``.
        patient_block: ``apart`` (default: a slot of its own, never cut) or ``record`` (part of the record, cut first).
        release: ``jsonl`` or ``parquet``; default: what is there, the JSONL before the patients' files.
        codes: of patients' files: ``released`` (default: as they were serialised for the JSONL, where ATC codes lose leading
            zeros) or ``text``.
        allow_missing: of patients' files: leave out rows whose patient has no file, with a warning.

    Raises:
        MissingError: the files are not there, or have no row of the task.
        UsageError: a row is malformed (file and line), or an option unknown.
    """
    for name in options:
        if name not in _OPTIONS:
            raise UsageError(unknown_name("data option of ehr_bench", name, _OPTIONS))
    kind, release = str(options.get("type")), options.get("release")
    if kind not in FILES:
        raise UsageError(unknown_name("data.options.type of ehr_bench", kind, FILES))
    if release is not None and release not in RELEASES:
        raise UsageError(unknown_name("data.options.release of ehr_bench", str(release), RELEASES))
    path = root / FILES[kind]
    if release != "parquet" and path.is_file():
        from ehrbench.suites.ehr_bench.jsonl import read_jsonl

        return read_jsonl(root, path, options)
    if release != "jsonl":
        from ehrbench.suites.ehr_bench.index import find_index
        from ehrbench.suites.ehr_bench.parquet import read_parquet

        if (index := find_index(root, kind)) is not None:
            return read_parquet(index, options)
    raise MissingError(
        f"{path} is not there; put the release's {FILES[kind]} into {root}, or its folders patients_ehr, index_mapping and "
        f"ehr_bench with {path.stem}.csv"
    )
