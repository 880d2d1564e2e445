"""The columns of MedAlign's tables: their names in the release, the other names that were seen, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ehrbench.errors import UsageError
from ehrbench.readers.table import Row, Table

INSTRUCTION_COLUMNS: dict[str, Sequence[str]] = {
    "instruction_id": ("instruction_id",),
    "question": ("question", "instruction"),
    "person_id": ("person_id", "patient_id"),
    "filename": ("filename", "file_name", "ehr_filename"),
    "gold": ("clinician_response", "gold_answer", "reference_answer", "clinician_answer"),
    "annotator": ("annotator_num", "annotator", "annotator_id"),
    "is_applicable": ("is_applicable",),
    "is_sufficient": ("is_sufficient",),
    "specialty": ("submitter_specialty", "specialty"),
    "author": ("author", "submitter", "submitter_id"),
    "gold_author": ("gold_author", "responder", "responder_id"),
}
"""Meaning to names, the release's own first. The release has no author columns: its ``annotator_num`` numbers the answers of one
instruction and names nobody. A hospital that holds a study on its own instructions may add them."""

REVIEW_COLUMNS: dict[str, Sequence[str]] = {
    "instruction_id": ("instruction_id",),
    "person_id": ("person_id", "patient_id"),
    "system": ("model_name", "model", "system"),
    "answer": ("model_response", "model_output", "model_answer", "generated_response", "response", "output"),
    "correct": ("binary_correct", "is_correct", "correct"),
    "rank": ("model_rank", "rank", "ranking"),
    "used_eval": ("is_used_eval",),
    "rater": ("annotator_num", "annotator", "annotator_id", "reviewer", "reviewer_id", "rater"),
}

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_FLOAT = re.compile(r"\d+\.\d*(?:[eE][+-]?\d+)?\Z|\d+[eE][+-]?\d+\Z")
_FILE_NAME = re.compile(r"[^/\\\0]{1,255}\Z")


def read_id(table: Table, row: Row, column: str, value: str) -> str:
    """An id as text: it exceeds 32 bits and is never a number to us.

    Raises:
        UsageError: it is empty, was saved as a float by another program, or is not made of letters, digits, ``_`` and ``-``.
    """
    if _FLOAT.match(value):
        raise UsageError(
            f"{table.place(row)}: {column} was saved as a floating-point number, which loses digits; "
            "export the table again with ids as text"
        )
    if not _ID.match(value):
        raise UsageError(
            f"{table.place(row)}: {column} is {'empty' if not value else 'not an id'}; expected 1 to 64 letters or digits"
        )
    return value


def read_file_name(table: Table, row: Row, value: str) -> str:
    """The name of a file in the record folder; empty stays empty.

    Raises:
        UsageError: it names a folder too, and could lead out of the release.
    """
    if value and (not _FILE_NAME.match(value) or value in (".", "..")):
        raise UsageError(f"{table.place(row)}: filename must name a file in the record folder, without a folder")
    return value
