"""A tiny MedAlign release written by hand, for tests of its readers."""

from __future__ import annotations

import csv
from pathlib import Path

GOLD_COLUMNS = [
    "instruction_id",
    "question",
    "person_id",
    "filename",
    "annotator_num",
    "is_applicable",
    "is_sufficient",
    "clinician_response",
    "evidence",
    "submitter_specialty",
]
REVIEW_COLUMNS = [
    "instruction_id",
    "question",
    "person_id",
    "model_name",
    "model_response",
    "model_rank",
    "binary_correct",
    "is_used_eval",
    "annotator_num",
    "clinician_response",
]
RECORD = (
    '<eventstream person_id="{patient}"><encounter><events><entry timestamp="2016-03-01 10:00">'
    '<event type="note">x</event></entry></events></encounter></eventstream>'
)


def gold(
    item: str, patient: str = "700000001", annotator: str = "Annotator_1", answer: str = "Yes.", **more: str
) -> dict[str, str]:
    """One row of the instruction table."""
    return {
        "instruction_id": item,
        "question": f"Question {item}?",
        "person_id": patient,
        "filename": f"{patient}.xml",
        "annotator_num": annotator,
        "is_applicable": "yes",
        "is_sufficient": "no",
        "clinician_response": answer,
        "evidence": "note",
        "submitter_specialty": "Cardiology",
    } | more


def review(item: str, system: str, rank: str = "1", rater: str = "Annotator_1", **more: str) -> dict[str, str]:
    """One row of the table of reviewed answers."""
    return {
        "instruction_id": item,
        "question": f"Question {item}?",
        "person_id": "700000001",
        "model_name": system,
        "model_response": f"answer of {system}",
        "model_rank": rank,
        "binary_correct": "1",
        "is_used_eval": "yes",
        "annotator_num": rater,
        "clinician_response": "Yes.",
    } | more


def write_table(path: Path, columns: list[str], rows: list[dict[str, str]]) -> Path:
    """Write rows as TSV, or as CSV where the name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, columns, delimiter="," if path.suffix == ".csv" else "\t", extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_records(folder: Path, *patients: str, prefix: str = "") -> None:
    """Write a small record for each patient."""
    folder.mkdir(parents=True, exist_ok=True)
    for patient in patients:
        (folder / f"{prefix}{patient}.xml").write_text(RECORD.format(patient=patient), encoding="utf-8")


def write_release(folder: Path, rows: list[dict[str, str]], *patients: str) -> Path:
    """The instruction table and its records, in release v1.3's folder."""
    write_table(folder / "clinician-instruction-responses.tsv", GOLD_COLUMNS, rows)
    write_records(folder / "ehrs", *(patients or ("700000001",)))
    return folder
