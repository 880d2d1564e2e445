"""Splitting patients into training, validation and test sets that share nobody.

The paper split by admission, which lets a patient stand on both sides; the released code splits by patient and then draws the
validation set from all of them, the test patients included. Here each patient is in one set, chosen by a hash of the seed and the
patient, so a set does not change when others join the cohort in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_text
from ehrbench.text_files import csv_rows

SPLITS = ("train", "val", "test")
SHARE = 0.1
"""Of the patients in each of validation and test, rounded up."""


def order_by_hash(seed: int, purpose: str, ids: Iterable[int]) -> list[int]:
    """The ids in an order that looks random and depends on nothing but the seed, the purpose and the ids themselves."""
    return sorted(set(ids), key=lambda one: (hash_text(f"{purpose} {seed} {one}"), one))


def split_patients(patients: Iterable[int], seed: int) -> dict[int, str]:
    """Patient to ``train``, ``val`` or ``test``."""
    ordered = order_by_hash(seed, "mimic-instr split", patients)
    n = min(math.ceil(SHARE * len(ordered)), len(ordered) // 3)
    return {one: "test" if i < n else "val" if i < 2 * n else "train" for i, one in enumerate(ordered)}


def read_split(path: Path, patients: Mapping[int, Iterable[int]]) -> dict[int, str]:
    """Take the split from a CSV file with ``split`` and ``subject_id`` or ``hadm_id``.

    Args:
        path: the file; admissions that the cohort does not have are passed over.
        patients: patient to admissions of the cohort.

    Returns:
        Patient to split; patients that the file does not name are in none.

    Raises:
        UsageError: a column is missing, a split unknown, or one patient in two splits.
    """
    owner = {hadm: subject for subject, admissions in patients.items() for hadm in admissions}
    found: dict[int, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv_rows(file)
        key = next((name for name in ("subject_id", "hadm_id") if name in (reader.fieldnames or ())), None)
        if key is None or "split" not in (reader.fieldnames or ()):
            raise UsageError(f"{path}: a split file needs the columns 'split' and 'subject_id' or 'hadm_id'")
        for number, row in enumerate(reader, 2):
            name, identity = (row["split"] or "").strip(), (row[key] or "").strip().removesuffix(".0")
            if name not in SPLITS or not identity.isdigit():
                raise UsageError(f"{path}: row {number}: 'split' must be one of {', '.join(SPLITS)} and '{key}' a whole number")
            patient = int(identity) if key == "subject_id" else owner.get(int(identity))
            if patient is None or patient not in patients:
                continue
            if found.setdefault(patient, name) != name:
                raise UsageError(
                    f"{path}: row {number} puts a patient into '{name}' whom an earlier row puts into '{found[patient]}'"
                )
    return found
